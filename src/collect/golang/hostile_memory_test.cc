// What a process may have in its memory to keep whoever reads it busy, or to take all of its room.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include "collect/golang/memory_scan.h"
#include "collect/golang/recorded_process.h"
#include "collect/golang/target_filter.h"
#include "collect/golang/type_book.h"
#include "collect/golang/typed_walk.h"

namespace unclosed {
namespace {

class HostileMemory : public testing::Test {
 protected:
  static GoRecording recording() {
    std::ifstream file(std::string(UNCLOSED_SOURCE_DIR) + "/tests/data/go_memory/recording");
    return GoRecording::of(std::string(std::istreambuf_iterator<char>(file), {})).value();
  }
  uint64_t word(uint64_t address) { return x_process.memory().load<uint64_t>(address)->value(); }

  static constexpr uint64_t kFree = 0x100000;  // where nothing is mapped
  const GoRecording x_recording = recording();
  const RecordedProc x_proc{x_recording};
  RecordedMemory x_memory{x_recording};
  RecordedCode x_code{x_recording};
  GoProcess x_process = GoProcess::open(RemoteMemory::over(RecordedProc::kProcess,
                                                           [this](auto local, auto remote) {
                                                             return x_memory.read(local, remote);
                                                           }),
                                        x_code, x_proc.proc())
                            .value();
};

TEST_F(HostileMemory, a_goroutine_that_waits_for_the_same_nothing_again_and_again_is_left) {
  const auto list = read_goroutines(x_process).value();
  const auto pools = sql_pools(x_process, list).value();
  ASSERT_EQ(pools.size(), 1U);
  for (const LiveGoroutine& one : list.goroutines)
    x_memory.put(one.address + x_process.layout().g_waiting, kFree);
  x_memory.put(kFree + x_process.layout().sudog_channel, 0);
  x_memory.put(kFree + x_process.layout().sudog_next_of_g, kFree);
  EXPECT_TRUE(sql_pools(x_process, list).value().empty());
}

TEST_F(HostileMemory, numbers_of_a_pool_that_cannot_be_are_no_pool) {
  const auto list = read_goroutines(x_process).value();
  const uint64_t pool = sql_pools(x_process, list).value().front().address;
  x_memory.put(pool + x_process.layout().pool_open, uint64_t{1} << 63);
  EXPECT_TRUE(sql_pools(x_process, list).value().empty());
}

TEST_F(HostileMemory, a_struct_whose_fields_are_itself_has_an_end) {
  TypeBook book(x_process);
  const auto types = book.named("net/http.persistConn");
  ASSERT_EQ(types.size(), 1U);
  const uint64_t at = types.front()->address, fields = word(at + 56);
  ASSERT_GT(types.front()->fields.size(), 10U);
  for (size_t i = 0; i < types.front()->fields.size(); ++i) {
    x_memory.put(fields + i * 24 + 8, at);
    x_memory.put(fields + i * 24 + 16, 0);
  }
  TypeBook again(x_process);
  const TypeInfo* type = again.at(at);
  ASSERT_NE(type, nullptr);
  EXPECT_TRUE(again.holding(320, 0, 0, *type).empty());
  EXPECT_FALSE(TypedWalk(x_process, again).number({type, at}));
}

TEST_F(HostileMemory, a_type_has_the_whole_path_of_its_package_also_where_that_ends_otherwise) {
  TypeBook book(x_process);
  const TypeInfo* before = book.named("net/http.persistConn").at(0);
  const auto offset = x_process.memory().load<uint32_t>(before->address + 80)->value();
  const std::string_view path = "http/v22";  // as long as it was
  x_memory.write(x_process.types().start + offset + 2, std::as_bytes(std::span(path)));
  TypeBook again(x_process);
  EXPECT_EQ(again.at(before->address)->name, "http/v22.persistConn");
}

TEST_F(HostileMemory, a_pool_that_somebody_has_locked_and_one_that_cannot_be_have_nothing_to_give) {
  const auto list = read_goroutines(x_process).value();
  const SqlPool known = sql_pools(x_process, list).value().front();
  const uint64_t pool = known.address;
  TypeBook book(x_process);
  const auto offset = [&](const char* type, const char* field) {
    const auto& fields = book.named(type).at(0)->fields;
    return std::find_if(fields.begin(), fields.end(), [&](const auto& one) {
             return one.name == field;
           })->offset;
  };
  // The recording has one connection that was given back, and one that is borrowed.
  const auto free = [&] {
    InPool found = InPool::kNoPool;
    for (const auto& one : known.connections) {
      const Held held =
          holders_of(x_process, list, std::array{one.fd.value()}, x_code).value().held.at(0);
      if (one.in_use)
        EXPECT_EQ(held.free_list, "");
      else
        found = held.in_pool;
    }
    return found;
  };
  EXPECT_EQ(free(), InPool::kFree);
  const uint64_t lock = pool + offset("database/sql.DB", "mu");
  const uint64_t unlocked = word(lock);
  x_memory.put(lock, unlocked | 1);
  EXPECT_EQ(free(), InPool::kUnread);
  x_memory.put(lock, unlocked);
  const uint64_t first = pool + offset("database/sql.DB", "freeConn");
  const uint64_t connection = word(word(first));
  const uint64_t use = connection + offset("database/sql.driverConn", "inUse");
  const uint8_t yes = 1, no = 0;
  x_memory.write(use, std::as_bytes(std::span(&yes, 1)));
  EXPECT_EQ(free(), InPool::kLent);
  x_memory.write(use, std::as_bytes(std::span(&no, 1)));
  EXPECT_EQ(free(), InPool::kFree);
  x_memory.put(first + 8, uint64_t{1} << 40);
  EXPECT_NE(free(), InPool::kFree);
  x_memory.put(first + 16, uint64_t{1} << 40);
  EXPECT_NE(free(), InPool::kFree);
}

TEST_F(HostileMemory, a_goroutine_that_is_listed_twice_is_one) {
  const auto before = read_goroutines(x_process).value();
  const uint64_t list = word(x_process.all_goroutines());
  x_memory.put(list, word(list + 8));
  EXPECT_EQ(read_goroutines(x_process).value().goroutines.size(), before.goroutines.size() - 1);
}

TEST_F(HostileMemory, a_list_longer_than_what_is_mapped_is_none) {
  EXPECT_EQ(read_words(x_process.memory(), x_process.all_goroutines(), kMostStack).value(),
            std::nullopt);
  EXPECT_LT(x_memory.bytes(), uint64_t{256} << 20);
}

TEST_F(HostileMemory, a_span_of_all_memory_ends_the_search_for_holders) {
  const auto list = read_goroutines(x_process).value();
  const HeapMap map = HeapMap::read(x_process).value();
  const uint64_t spans = word(*x_process.symbol("runtime.mheap_") + x_process.layout().heap_spans);
  // The last of the list, so that the heap is still found.
  const uint64_t count =
      word(*x_process.symbol("runtime.mheap_") + x_process.layout().heap_spans + 8);
  const uint64_t span = word(spans + (count - 1) * 8);
  const GoRuntimeLayout& layout = x_process.layout();
  const uint64_t start = map.spans().back().end, pages = uint64_t{1} << 33;
  x_memory.put(span + layout.span_start, start);
  x_memory.put(span + layout.span_pages, pages);
  x_memory.put(span + layout.span_element_size, pages * 8192);
  const uint8_t state = 1, kind = 0;
  x_memory.write(span + layout.span_state, std::as_bytes(std::span(&state, 1)));
  x_memory.write(span + layout.span_class, std::as_bytes(std::span(&kind, 1)));
  const uint16_t elements = 1;
  x_memory.write(span + layout.span_elements, std::as_bytes(std::span(&elements, 1)));
  // It holds what passes for the file of descriptor 12, so that it is followed.
  const auto polled = poll_descriptors(x_process).value();
  const auto one = std::find_if(polled.begin(), polled.end(),
                                [](const PollDescriptor& any) { return any.fd == 12; });
  ASSERT_NE(one, polled.end());
  x_memory.put(start + layout.file_number, 12);
  x_memory.put(start + layout.file_poll, one->address);
  x_memory.repeat(start, start + (8 << 20), start);
  const auto held = holders_of(x_process, list, std::array{12}, x_code, {.most_seconds = 0.2});
  ASSERT_TRUE(held);
  EXPECT_EQ(held->held.size(), 1U);
}

TEST(TargetFilter, the_size_that_a_process_tells_of_an_object_is_no_matter) {
  TargetFilter filter;
  filter.add(0x1008, uint64_t{1} << 46);
  EXPECT_FALSE(filter.holds(0x1000));
  EXPECT_TRUE(filter.holds(0x1008));
  EXPECT_TRUE(filter.holds(uint64_t{1} << 40));
  EXPECT_TRUE(filter.holds((uint64_t{1} << 46) + 0x1000));
  EXPECT_FALSE(filter.holds((uint64_t{1} << 46) + 0x1008));
  filter.add(uint64_t{1} << 40, 64);  // within the other
  EXPECT_TRUE(filter.holds((uint64_t{1} << 40) + 64));
  filter.add(UINT64_MAX - 4, 8);
  EXPECT_FALSE(filter.holds(UINT64_MAX - 3));
}

TEST(TargetFilter, a_page_that_an_object_fills_is_told_from_its_neighbours) {
  TargetFilter filter;
  filter.add(0x4000, 0x2000);
  filter.add(0x8010, 8);
  EXPECT_FALSE(filter.holds(0x3ff8));
  EXPECT_TRUE(filter.holds(0x4000));
  EXPECT_TRUE(filter.holds(0x5ff8));
  EXPECT_FALSE(filter.holds(0x6000));
  EXPECT_TRUE(filter.holds(0x8010));
  EXPECT_FALSE(filter.holds(0x8018));
}

}  // namespace
}  // namespace unclosed
