#include "collect/pprof/inflate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace unclosed {
namespace {

std::string compressed(const std::string& text, int level = 6) {
  z_stream stream{};
  deflateInit2(&stream, level, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string text_of(size_t lines) {
  std::string text;
  for (size_t i = 0; i < lines; ++i) text += fmt::format("goroutine {} [select]\n", i * i * 7919);
  return text;
}

Result<Inflated> inflate_text(std::string bytes) {
  return inflate(ByteSource::of(std::move(bytes)));
}

TEST(Inflate, gives_what_was_compressed_at_every_level) {
  const std::string text = text_of(20'000);
  for (const int level : {0, 1, 6, 9}) {
    const auto whole = inflate_text(compressed(text, level));
    ASSERT_TRUE(whole);
    EXPECT_TRUE(whole->bytes == text) << level;
    EXPECT_FALSE(whole->damaged_at) << level;
  }
}

TEST(Inflate, members_that_follow_each_other_are_one_text) {
  const std::string first = text_of(300), second = text_of(20'000), none;
  const auto both = inflate_text(compressed(first) + compressed(none) + compressed(second));
  ASSERT_TRUE(both);
  EXPECT_TRUE(both->bytes == first + second);
  EXPECT_FALSE(both->damaged_at);
}

TEST(Inflate, a_member_may_end_anywhere_in_what_is_read_at_a_time) {
  const std::string second = text_of(10);
  const std::string next = compressed(second);
  // Stored, so that a byte more of text is a byte more of the file: ends around the first million.
  for (size_t size = (1 << 20) - 200; size < (1 << 20) - 60; ++size) {
    const std::string first(size, 'x');
    const std::string file = compressed(first, 0) + next;
    const auto both = inflate_text(file);
    ASSERT_TRUE(both);
    ASSERT_EQ(both->bytes.size(), first.size() + second.size()) << size;
    ASSERT_TRUE(both->bytes.ends_with(second)) << size;
    ASSERT_FALSE(both->damaged_at) << size;
  }
}

TEST(Inflate, what_stands_behind_the_last_member_is_left) {
  const std::string text = text_of(300);
  const auto padded = inflate_text(compressed(text) + std::string(512, '\0'));
  ASSERT_TRUE(padded);
  EXPECT_TRUE(padded->bytes == text);
  EXPECT_FALSE(padded->damaged_at);
}

TEST(Inflate, wherever_it_was_cut_what_stands_before_the_cut_is_read) {
  const std::string text = text_of(1'000), whole = compressed(text);
  for (size_t cut = 1; cut < whole.size(); ++cut) {
    const auto part = inflate_text(whole.substr(0, cut));
    ASSERT_TRUE(part) << cut;
    ASSERT_TRUE(part->damaged_at) << cut;
    ASSERT_LE(*part->damaged_at, cut);
    ASSERT_TRUE(text.starts_with(part->bytes)) << cut;
    // A code takes a few bytes, the table in front of them some hundred.
    if (cut > 500) {
      ASSERT_GE(part->bytes.size() * whole.size() * 11, (cut - 500) * text.size() * 9) << cut;
    }
  }
  const auto without_checksum = inflate_text(whole.substr(0, whole.size() - 8));
  ASSERT_TRUE(without_checksum);
  EXPECT_TRUE(without_checksum->damaged_at);
  EXPECT_TRUE(without_checksum->bytes == text);
}

TEST(Inflate, damage_in_the_middle_is_told_and_what_comes_before_it_is_read) {
  const std::string text = text_of(20'000);
  std::string damaged = compressed(text);
  const size_t at = damaged.size() / 2;
  for (size_t i = at; i < at + 64; ++i) damaged[i] = static_cast<char>(~damaged[i]);
  const auto part = inflate_text(damaged);
  ASSERT_TRUE(part);
  ASSERT_TRUE(part->damaged_at);
  EXPECT_TRUE(part->bytes.starts_with(text.substr(0, text.size() / 3)));
}

TEST(Inflate, a_wrong_checksum_is_told) {
  const std::string text = text_of(300);
  std::string wrong = compressed(text);
  wrong[wrong.size() - 6] = static_cast<char>(~wrong[wrong.size() - 6]);
  const auto whole = inflate_text(wrong);
  ASSERT_TRUE(whole);
  EXPECT_TRUE(whole->damaged_at);
  EXPECT_TRUE(whole->bytes == text);
}

}  // namespace
}  // namespace unclosed
