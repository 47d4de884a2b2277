#include "collect/golang/remote_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <numeric>

#include "collect/golang/memory_scan.h"
#include "collect/procfs/procfs.h"

namespace unclosed {
namespace {

constexpr size_t kPage = 4096;

// Our own memory is as good as another's.
RemoteMemory own_memory() {
  return RemoteMemory::open(ProcFs().identify(::getpid()).value()).value();
}

// Three pages, of which the middle one cannot be read.
class Hole {
 public:
  Hole()
      : x_start(static_cast<std::byte*>(::mmap(nullptr, 3 * kPage, PROT_READ | PROT_WRITE,
                                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    std::fill_n(x_start, 3 * kPage, std::byte{7});
    ::munmap(x_start + kPage, kPage);
  }
  ~Hole() { ::munmap(x_start, 3 * kPage); }
  Hole(const Hole&) = delete;
  Hole& operator=(const Hole&) = delete;
  uint64_t at(size_t page) const { return reinterpret_cast<uint64_t>(x_start) + page * kPage; }

 private:
  std::byte* x_start;
};

TEST(RemoteMemory, many_pieces_are_read_and_those_that_are_not_mapped_are_told) {
  auto memory = own_memory();
  const Hole hole;
  std::vector<std::byte> into(3000 * 8);
  std::vector<RemoteMemory::Piece> pieces;
  for (size_t i = 0; i < 3000; ++i)
    pieces.push_back({hole.at(i % 3) + (i % 500) * 8, std::span(into).subspan(i * 8, 8)});
  ASSERT_TRUE(memory.read(pieces));
  for (size_t i = 0; i < 3000; ++i) {
    EXPECT_EQ(pieces[i].got, i % 3 != 1) << i;
    if (pieces[i].got) {
      EXPECT_EQ(into[i * 8 + 7], std::byte{7}) << i;
    }
  }
}

TEST(RemoteMemory, a_piece_that_ends_where_nothing_is_mapped_is_not_got) {
  auto memory = own_memory();
  const Hole hole;
  std::array<std::byte, 64> into{};
  std::array<RemoteMemory::Piece, 3> pieces{RemoteMemory::Piece{hole.at(1) - 32, into},
                                            {hole.at(2), std::span(into).first(0)},
                                            {hole.at(2), std::span(into).first(8)}};
  ASSERT_TRUE(memory.read(pieces));
  EXPECT_FALSE(pieces[0].got);
  EXPECT_TRUE(pieces[1].got);
  EXPECT_TRUE(pieces[2].got);
}

TEST(RemoteMemory, values_and_texts_are_read_or_absent) {
  auto memory = own_memory();
  const Hole hole;
  const uint64_t value = 0x1234567890abcdef;
  EXPECT_EQ(*memory.load<uint64_t>(reinterpret_cast<uint64_t>(&value)), value);
  EXPECT_EQ(*memory.load<uint64_t>(hole.at(1)), std::nullopt);
  EXPECT_EQ(*memory.load<uint64_t>(UINT64_MAX - 3), std::nullopt);
  const std::string text = "chan receive";
  const auto at = reinterpret_cast<uint64_t>(text.data());
  EXPECT_EQ(**memory.text(at, text.size(), 100), text);
  EXPECT_EQ(**memory.text(at, text.size(), 4), "chan");
  EXPECT_EQ(**memory.text(at, uint64_t{1} << 60, 4), "chan");
}

TEST(RemoteMemory, a_process_that_is_not_there_is_gone) {
  const auto opened = RemoteMemory::open(ProcessId{INT32_MAX - 1, 1});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::kGone);
}

TEST(MemoryScan, words_in_a_row_are_seen_also_where_pieces_meet) {
  auto memory = own_memory();
  std::vector<uint64_t> words(400'000, 0);
  for (size_t i = 0; i < words.size(); ++i) words[i] = i;
  const auto start = reinterpret_cast<uint64_t>(words.data());
  std::vector<int> seen(words.size(), 0);
  ASSERT_TRUE(scan_words(memory, start, start + words.size() * 8, 3,
                         [&](uint64_t address, std::span<const uint64_t> part) {
                           for (size_t i = 0; i + 3 <= part.size(); ++i) {
                             ASSERT_EQ(part[i], (address - start) / 8 + i);
                             seen[part[i]] = 1;
                           }
                         }));
  EXPECT_EQ(std::accumulate(seen.begin(), seen.end(), size_t{0}), words.size() - 2);
}

TEST(MemoryScan, what_is_not_mapped_is_left_out) {
  auto memory = own_memory();
  const Hole hole;
  size_t visits = 0;
  ASSERT_TRUE(scan_words(memory, hole.at(1), hole.at(2), 0,
                         [&](uint64_t, std::span<const uint64_t>) { ++visits; }));
  EXPECT_EQ(visits, 0U);
}

}  // namespace
}  // namespace unclosed
