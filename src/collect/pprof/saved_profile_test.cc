#include "collect/pprof/saved_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <map>
#include <span>

#include "base/fd.h"
#include "collect/pprof/goroutine_text.h"
#include "collect/pprof/inflate.h"
#include "collect/pprof/wire.h"

namespace unclosed {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string data(const std::string& name) {
  const auto bytes =
      read_file(std::string(UNCLOSED_SOURCE_DIR) + "/src/collect/pprof/testdata/" + name);
  return bytes ? *bytes : "";
}

Captured captured(const std::string& name) {
  const std::string bytes = data(name);
  EXPECT_FALSE(bytes.empty()) << name;
  auto result = read_profile(ByteSource::of(bytes), name);
  EXPECT_TRUE(result) << name << ": " << (result ? "" : result.error().context);
  return result ? *std::move(result) : Captured();
}

// How many goroutines have `function` in their stack and are in `state`.
uint64_t count(const Captured& one, const std::string& function, const std::string& state) {
  uint64_t sum = 0;
  for (const GoroutineGroup& group : one.capture.groups) {
    const bool has =
        std::any_of(group.stack.begin(), group.stack.end(),
                    [&](const NamedFrame& frame) { return frame.function == function; });
    if (has && group.state == state) sum += group.count;
  }
  return sum;
}

uint64_t sum(const Captured& one) {
  uint64_t all = one.capture.others;
  for (const GoroutineGroup& group : one.capture.groups) all += group.count;
  return all;
}

// The service of the test data has three goroutines of each kind, in every release.
class Dump : public testing::TestWithParam<const char*> {};

TEST_P(Dump, of_every_release_is_grouped_by_what_its_goroutines_do) {
  const Captured one = captured(GetParam());
  EXPECT_EQ(one.form, "dump");
  EXPECT_EQ(one.kind, ProfileKind::kGoroutines);
  EXPECT_FALSE(one.capture.damaged_at);
  EXPECT_EQ(sum(one), one.capture.goroutines);
  EXPECT_EQ(count(one, "main.(*queue).consume", "chan receive"), 3U);
  EXPECT_EQ(count(one, "main.(*queue).produce", "chan send"), 3U);
  EXPECT_EQ(count(one, "main.read", "IO wait"), 3U);
  EXPECT_EQ(count(one, "time.Sleep", "sleep") + count(one, "time.Sleep", "runnable"), 4U);
  EXPECT_EQ(count(one, "main.deep", "chan receive"), 1U);
  const auto& groups = one.capture.groups;
  EXPECT_TRUE(std::is_sorted(groups.begin(), groups.end(),
                             [](const auto& a, const auto& b) { return a.count > b.count; }));
  const auto consume = std::find_if(groups.begin(), groups.end(), [](const GoroutineGroup& group) {
    return !group.stack.empty() && group.stack.front().function == "main.(*queue).consume";
  });
  ASSERT_NE(consume, groups.end());
  EXPECT_EQ(consume->ids.size(), 3U);
  ASSERT_TRUE(consume->created_by);
  EXPECT_EQ(consume->created_by->function, "main.main");
  EXPECT_GT(consume->created_by->line, 0U);
  EXPECT_THAT(consume->stack.front().file, HasSubstr("main.go"));
}

INSTANTIATE_TEST_SUITE_P(Releases, Dump,
                         testing::Values("go1.11.txt", "go1.18.txt", "go1.20.txt", "go1.22.txt",
                                         "go1.24.txt", "go1.26.txt", "trimpath.txt",
                                         "ancestors.txt"));

TEST(SavedProfile, a_frame_too_many_is_said) {
  const Captured one = captured("go1.26.txt");
  const auto deep = std::find_if(
      one.capture.groups.begin(), one.capture.groups.end(),
      [](const GoroutineGroup& group) { return group.stack.front().function == "main.deep"; });
  ASSERT_NE(deep, one.capture.groups.end());
  EXPECT_EQ(deep->truncated, Truncation::kDepth);
  EXPECT_THAT(deep->stack, SizeIs(100));
}

TEST(SavedProfile, parents_are_told_since_1_21) {
  const auto parent = [](const Captured& one) {
    uint64_t found = 0;
    for (const auto& group : one.capture.groups)
      if (group.created_by && group.created_by->function == "main.main") found = group.parent;
    return found;
  };
  EXPECT_EQ(parent(captured("go1.26.txt")), 1U);
  EXPECT_EQ(parent(captured("go1.20.txt")), 0U);
  EXPECT_EQ(parent(captured("ancestors.txt")), 1U) << "an ancestor tells it in older releases";
}

TEST(SavedProfile, waits_are_told_in_whole_minutes) {
  const Captured one = captured("waits.txt");
  const auto of = [&](const std::string& function) {
    for (const GoroutineGroup& group : one.capture.groups)
      if (!group.stack.empty() && group.stack.front().function == function) return group;
    return GoroutineGroup();
  };
  const GoroutineGroup consume = of("main.(*queue).consume");
  ASSERT_TRUE(consume.wait);
  EXPECT_EQ(*consume.wait, (WaitSeconds{180, 180}));
  EXPECT_FALSE(of("main.main.func8.1").wait) << "those were started just before";
}

TEST(SavedProfile, the_output_of_sigquit_is_a_dump_with_other_lines_around) {
  for (const char* name : {"quit.txt", "quit-1.20.txt"}) {
    const Captured one = captured(name);
    EXPECT_FALSE(one.capture.damaged_at) << name;
    EXPECT_EQ(count(one, "main.(*queue).consume", "chan receive"), 3U) << name;
    EXPECT_EQ(count(one, "main.(*queue).produce", "chan send"), 3U) << name;
  }
}

TEST(SavedProfile, counts_and_protobuf_agree_with_each_other) {
  for (const char* release : {"go1.11", "go1.18", "go1.26"}) {
    const Captured text = captured(std::string("counts-") + release + ".txt");
    const Captured proto = captured(std::string("goroutine-") + release + ".pb.gz");
    EXPECT_EQ(text.form, "text");
    EXPECT_EQ(proto.form, "protobuf");
    EXPECT_FALSE(text.capture.damaged_at);
    EXPECT_FALSE(proto.capture.damaged_at);
    EXPECT_EQ(sum(text), text.capture.goroutines);
    EXPECT_EQ(sum(proto), proto.capture.goroutines);
    EXPECT_TRUE(proto.taken_ns);
    for (const auto& [function, state] :
         std::map<std::string, std::string>{{"main.(*queue).consume", "chan receive"},
                                            {"main.(*queue).produce", "chan send"},
                                            {"main.read", "IO wait"}}) {
      EXPECT_EQ(count(proto, function, state), 3U) << release << " " << function;
      EXPECT_EQ(count(text, function, state == "IO wait" ? state : ""), 3U)
          << release << " " << function << ": without the runtime's frames a state is not known";
    }
  }
}

TEST(SavedProfile, heaps_of_both_forms_agree) {
  for (const char* release : {"go1.11", "go1.18", "go1.26"}) {
    const Captured text = captured(std::string("heap-") + release + ".txt");
    const Captured proto = captured(std::string("heap-") + release + ".pb.gz");
    const auto in_use = [](const Captured& one) {
      int64_t all = 0;
      for (const AllocationSite& site : one.capture.allocations) all += site.in_use_bytes;
      return all;
    };
    EXPECT_EQ(text.kind, ProfileKind::kHeap);
    EXPECT_EQ(proto.kind, ProfileKind::kHeap);
    EXPECT_GT(in_use(proto), 1 << 19) << release;
    // Taken one after the other: the first has made allocations that the second sees.
    EXPECT_NEAR(static_cast<double>(in_use(text)), static_cast<double>(in_use(proto)), 4e6);
    EXPECT_FALSE(proto.capture.allocations.front().stack.empty());
  }
}

TEST(SavedProfile, what_the_runtimes_detector_found_has_its_own_name) {
  for (const char* name : {"goroutineleak.pb.gz", "goroutineleak.txt"}) {
    const Captured one = captured(name);
    EXPECT_EQ(one.name, "goroutineleak") << name;
    EXPECT_EQ(one.capture.goroutines, 5U) << name;
    EXPECT_EQ(sum(one), 5U) << name;
  }
}

TEST(SavedProfile, contention_is_told_in_seconds) {
  for (const char* name : {"mutex.txt", "mutex.pb.gz", "block.txt", "block.pb.gz"}) {
    const Captured one = captured(name);
    EXPECT_EQ(one.kind, ProfileKind::kContention) << name;
    EXPECT_EQ(one.name, std::string(name).substr(0, 5));
    ASSERT_FALSE(one.capture.contentions.empty()) << name;
    const ContentionSite& site = one.capture.contentions.front();
    EXPECT_GT(site.contentions, 0) << name;
    EXPECT_GT(site.delay_seconds, 0.01) << name;
    EXPECT_LT(site.delay_seconds, 1000) << name;
    EXPECT_FALSE(site.stack.empty()) << name;
  }
}

TEST(SavedProfile, a_dump_that_was_cut_is_read_up_to_the_cut) {
  const std::string whole = data("go1.26.txt");
  const auto all = captured("go1.26.txt").capture.goroutines;
  const size_t at = whole.find("main.(*queue).consume") + 10;  // within the name of a function
  const auto cut = read_profile(ByteSource::of(whole.substr(0, at)), "cut");
  ASSERT_TRUE(cut);
  EXPECT_LT(cut->capture.goroutines, all);
  EXPECT_GT(cut->capture.goroutines, 0U);
  ASSERT_TRUE(cut->capture.damaged_at);
  EXPECT_EQ(*cut->capture.damaged_at, whole.rfind('\n', at) + 1);
}

TEST(SavedProfile, damage_in_the_middle_costs_what_it_covers) {
  std::string text = data("go1.26.txt");
  const auto all = captured("go1.26.txt").capture.goroutines;
  const size_t at = text.find("\n\ngoroutine ", text.size() / 2) - 30;
  std::fill_n(text.begin() + static_cast<ptrdiff_t>(at), 300, '\0');
  const auto damaged = read_profile(ByteSource::of(text), "damaged");
  ASSERT_TRUE(damaged);
  ASSERT_TRUE(damaged->capture.damaged_at);
  EXPECT_LE(*damaged->capture.damaged_at, at);
  EXPECT_GT(*damaged->capture.damaged_at + 100, at) << "the line that it begins in";
  EXPECT_GE(damaged->capture.goroutines + 4, all);
  EXPECT_LT(damaged->capture.goroutines, all);
}

TEST(SavedProfile, wherever_before_its_texts_it_was_cut_a_profile_is_read_up_to_there) {
  const auto whole = inflate(ByteSource::of(data("goroutine-go1.26.pb.gz")));
  ASSERT_TRUE(whole);
  const size_t texts = whole->bytes.find(std::string("\x32\x00", 2));  // field 6, empty
  ASSERT_GT(texts, 1000U);
  for (size_t cut = 200; cut <= texts; ++cut) {
    const auto part = read_profile(ByteSource::of(whole->bytes.substr(0, cut)), "cut");
    ASSERT_TRUE(part) << cut << " " << part.error().context;
    EXPECT_TRUE(part->capture.damaged_at) << cut;
    EXPECT_GT(part->capture.goroutines, 0U) << cut;
  }
}

// The samples of a profile alone, as they stand in it.
std::string samples_of(const std::string& profile) {
  std::string samples;
  WireReader fields(std::as_bytes(std::span(profile)));
  while (fields.next()) {
    if (fields.field() != 2) continue;
    const Bytes part = fields.part();
    samples += '\x12';
    size_t size = part.size();
    for (; size > 0x7f; size >>= 7) samples += static_cast<char>(0x80 | (size & 0x7f));
    samples += static_cast<char>(size);
    samples.append(reinterpret_cast<const char*>(part.data()), part.size());
  }
  return samples;
}

TEST(SavedProfile, samples_of_many_batches_are_summed_as_those_of_one) {
  const auto whole = inflate(ByteSource::of(data("goroutine-go1.26.pb.gz")));
  ASSERT_TRUE(whole);
  const auto once = read_profile(ByteSource::of(whole->bytes), "once");
  ASSERT_TRUE(once);
  constexpr uint64_t kTimes = 1500;
  std::string bytes = whole->bytes;
  for (uint64_t i = 1; i < kTimes; ++i) bytes += samples_of(whole->bytes);
  const auto often = read_profile(ByteSource::of(std::move(bytes)), "often");
  ASSERT_TRUE(often) << often.error().context;
  EXPECT_EQ(often->capture.goroutines, once->capture.goroutines * kTimes);
  ASSERT_EQ(often->values.size(), once->values.size());
  for (size_t i = 0; i < once->values.size(); ++i) {
    EXPECT_EQ(often->values[i].first, once->values[i].first);
    EXPECT_EQ(often->values[i].second, once->values[i].second * int64_t{kTimes});
  }
}

TEST(SavedProfile, a_compressed_profile_that_was_cut_says_where) {
  const std::string whole = data("goroutine-go1.26.pb.gz");
  const auto cut = read_profile(ByteSource::of(whole.substr(0, whole.size() / 2)), "cut");
  ASSERT_TRUE(cut) << cut.error().context;
  EXPECT_TRUE(cut->capture.damaged_at);
  EXPECT_GT(cut->capture.goroutines, 0U) << "counts stand before the names";
}

TEST(SavedProfile, what_fits_in_one_piece_and_what_lies_across_two_is_the_same) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += data(i % 2 == 0 ? "go1.26.txt" : "go1.18.txt") + "\n";
  const ByteSource source = ByteSource::of(text);
  const auto whole = read_goroutine_text(source, {.piece = text.size() + 1, .threads = 1});
  ASSERT_TRUE(whole);
  const auto texts = [&](uint64_t offset, size_t size) -> std::optional<std::string> {
    return text.substr(offset, size);
  };
  const auto expected = whole->table.groups(texts);
  for (const size_t piece : {100UL, 1000UL, 4097UL, 65536UL}) {
    for (const unsigned threads : {1U, 3U}) {
      const auto parts = read_goroutine_text(source, {.piece = piece, .threads = threads});
      ASSERT_TRUE(parts);
      EXPECT_FALSE(parts->damaged_at) << piece;
      const auto groups = parts->table.groups(texts);
      EXPECT_EQ(groups.counts, expected.counts) << piece;
      ASSERT_EQ(groups.groups.size(), expected.groups.size());
      for (size_t i = 0; i < groups.groups.size(); ++i) {
        EXPECT_EQ(groups.groups[i].ids, expected.groups[i].ids);
        EXPECT_EQ(groups.groups[i].stack, expected.groups[i].stack);
      }
    }
  }
}

TEST(SavedProfile, different_stacks_without_number_are_bounded_and_counted) {
  std::string text;
  const size_t many = StackTable::kMostGroups + 500;
  for (size_t i = 0; i < many; ++i)
    text += "goroutine 7 [select]:\nmain.f" + std::to_string(i) + "()\n\t/srv/main.go:1 +0x1\n\n";
  const auto one = read_profile(ByteSource::of(text), "many");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->capture.goroutines, many);
  EXPECT_EQ(one->capture.groups.size(), StackTable::kMostGroups);
  EXPECT_EQ(one->capture.others, 500U);
  EXPECT_THAT(one->capture.notes, Not(IsEmpty()));
}

TEST(SavedProfile, a_log_that_begins_with_the_zeros_of_its_rotation_is_read) {
  const auto one = read_profile(ByteSource::of(std::string(5000, '\0') + data("quit.txt")), "log");
  ASSERT_TRUE(one);
  EXPECT_EQ(count(*one, "main.(*queue).consume", "chan receive"), 3U);
  EXPECT_EQ(one->capture.damaged_at, 0U);
}

std::string refusal(const std::string& bytes) {
  const auto result = read_profile(ByteSource::of(bytes), "file");
  EXPECT_FALSE(result);
  if (result) return "";
  EXPECT_EQ(result.error().id, "UC-E020");
  return result.error().context;
}

TEST(SavedProfile, what_is_no_profile_is_named) {
  EXPECT_THAT(refusal(""), HasSubstr("empty"));
  EXPECT_THAT(refusal("\x7f"
                      "ELF\x02\x01\x01"),
              HasSubstr("core dump"));
  EXPECT_THAT(refusal("<!DOCTYPE html>\n<html>"), HasSubstr("web page"));
  EXPECT_THAT(refusal("{\"cmdline\":[]}"), HasSubstr("JSON"));
  EXPECT_THAT(refusal("go 1.22 trace\0\0\0"), HasSubstr("go tool trace"));
  EXPECT_THAT(refusal("just a log\nwithout any\n"), HasSubstr("text without goroutines"));
  EXPECT_THAT(refusal(std::string("\x01\x02\x03\xff\xff\xff", 6)), HasSubstr("binary"));
  EXPECT_THAT(refusal(data("cpu.pb.gz")), AllOf(HasSubstr("cpu"), HasSubstr("nothing about")));
}

// 200 MB of zeros, as gzip.
std::string bomb() {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string zeros(1 << 20, '\0'), out(1 << 20, '\0');
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  for (int i = 0; i < 200; ++i) {
    stream.next_in = reinterpret_cast<Bytef*>(zeros.data());
    stream.avail_in = static_cast<uInt>(zeros.size());
    deflate(&stream, i == 199 ? Z_FINISH : Z_NO_FLUSH);
  }
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(SavedProfile, a_bomb_is_not_inflated) {
  const auto result = inflate(ByteSource::of(bomb()));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kLimit);
}

GoroutineGroup only(const GoroutineCapture& one, const std::string& function) {
  for (const GoroutineGroup& group : one.groups)
    if (!group.stack.empty() && group.stack.back().function == function) return group;
  return {};
}

TEST(Combine, what_grew_comes_first_with_its_course) {
  const std::string head = "goroutine 1 [select]:\nmain.main()\n\t/srv/main.go:1 +0x1\n\n";
  const std::string leak = "goroutine 9 [chan receive]:\nmain.leak()\n\t/srv/main.go:9 +0x1\n\n";
  const auto dump = [&](size_t mains, size_t leaks) {
    std::string text;
    for (size_t i = 0; i < mains; ++i) text += head;
    for (size_t i = 0; i < leaks; ++i) text += leak;
    auto one = read_profile(ByteSource::of(text), "dump");
    return one ? *std::move(one) : Captured();
  };
  const GoroutineCapture last = combine({dump(50, 1), dump(40, 7), dump(45, 9)});
  EXPECT_EQ(last.goroutines, 54U);
  EXPECT_EQ(last.growth, 3);
  EXPECT_EQ(last.groups.front().stack.back().function, "main.leak");
  EXPECT_EQ(only(last, "main.leak").growth, 8);
  EXPECT_EQ(only(last, "main.leak").course, (std::vector<uint64_t>{1, 7, 9}));
  EXPECT_EQ(only(last, "main.main").growth, -5);
}

TEST(Combine, captures_of_different_forms_have_no_growth_by_stack) {
  const GoroutineCapture last =
      combine({captured("goroutine-go1.26.pb.gz"), captured("go1.26.txt")});
  EXPECT_TRUE(last.growth);
  EXPECT_FALSE(last.groups.front().growth);
  EXPECT_THAT(last.notes, SizeIs(1));
}

TEST(Combine, heap_and_contention_go_with_the_goroutines) {
  const GoroutineCapture all = combine({captured("mutex.pb.gz"), captured("heap-go1.18.pb.gz"),
                                        captured("block.txt"), captured("goroutineleak.txt"),
                                        captured("go1.26.txt"), captured("heap-go1.26.pb.gz")});
  EXPECT_EQ(all.goroutines, captured("go1.26.txt").capture.goroutines);
  EXPECT_FALSE(all.growth);
  EXPECT_EQ(all.leaked.front().leaked, all.leaked.front().count);
  ASSERT_THAT(all.allocations, Not(IsEmpty()));
  EXPECT_TRUE(all.allocations.front().growth_bytes);
  EXPECT_TRUE(all.seconds_between) << "both heap profiles say when they were taken";
  EXPECT_GE(all.contentions.size(), 2U);
}

TEST(Combine, a_heap_without_a_collection_in_between_says_so) {
  const auto all = combine({captured("heap-go1.26.pb.gz"), captured("heap-go1.26.pb.gz")});
  EXPECT_EQ(all.goroutines, 0U);
  EXPECT_THAT(all.notes, testing::Contains(HasSubstr("no garbage collection")));
}

}  // namespace
}  // namespace unclosed
