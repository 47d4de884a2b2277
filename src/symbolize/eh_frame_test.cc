#include "symbolize/eh_frame.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

// An .eh_frame at 0x1000 of one CIE ("zR", pc-relative) and FDEs, put together by hand.
class Table {
 public:
  explicit Table(std::string_view augmentation = "zR") {
    std::vector<uint8_t> body = {1};
    body.insert(body.end(), augmentation.begin(), augmentation.end());
    for (const int byte :
         {0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1})  // CFA = rsp+8, RA at CFA-8
      body.push_back(static_cast<uint8_t>(byte));
    record(0, body);
  }
  void function(uint32_t start, uint32_t length, std::vector<uint8_t> program) {
    const uint32_t at = static_cast<uint32_t>(x_bytes.size()) + 8;
    std::vector<uint8_t> body;
    number(body, start - (0x1000 + at));
    number(body, length);
    body.push_back(0);
    body.insert(body.end(), program.begin(), program.end());
    record(at - 4, body);
  }
  std::vector<UnwindRow> rows() const {
    const Bytes bytes(reinterpret_cast<const std::byte*>(x_bytes.data()), x_bytes.size());
    std::vector<std::vector<uint8_t>> expressions;
    return unwind_rows({bytes, 0x1000, false}, 0x4000, 0x1000, expressions);
  }

 private:
  static void number(std::vector<uint8_t>& out, uint32_t value) {
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  void record(uint32_t id, const std::vector<uint8_t>& body) {
    number(x_bytes, static_cast<uint32_t>(body.size()) + 4);
    number(x_bytes, id);
    x_bytes.insert(x_bytes.end(), body.begin(), body.end());
  }
  std::vector<uint8_t> x_bytes;
};

constexpr UnwindRow kHole{};

UnwindRow row(uint32_t pc, UnwindType type, uint16_t cfa, uint8_t rbp = 0) {
  return {pc, cfa, rbp, type};
}
UnwindRow hole(uint32_t pc) {
  UnwindRow end = kHole;
  end.pc = pc;
  return end;
}

TEST(EhFrame, a_prologue_becomes_rows) {
  Table table;
  // push %rbp (1 byte); mov %rsp,%rbp (3 bytes)
  table.function(0x4010, 0x20, {0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6});
  const std::vector<UnwindRow> expected = {row(0x10, UnwindType::kRsp, 1),
                                           row(0x11, UnwindType::kRsp, 2, 2),
                                           row(0x14, UnwindType::kRbp, 2, 2), hole(0x30)};
  EXPECT_EQ(table.rows(), expected);
}

TEST(EhFrame, holes_between_functions_have_no_caller) {
  Table table;
  table.function(0x4040, 0x10, {});
  table.function(0x4010, 0x10, {});
  const std::vector<UnwindRow> expected = {row(0x10, UnwindType::kRsp, 1), hole(0x20),
                                           row(0x40, UnwindType::kRsp, 1), hole(0x50)};
  EXPECT_EQ(table.rows(), expected);
}

TEST(EhFrame, of_overlapping_functions_the_first_wins) {
  Table table;
  table.function(0x4010, 0x20, {});
  table.function(0x4020, 0x20, {0x0e, 16});
  const std::vector<UnwindRow> expected = {row(0x10, UnwindType::kRsp, 1),
                                           row(0x30, UnwindType::kRsp, 2), hole(0x40)};
  EXPECT_EQ(table.rows(), expected);
}

TEST(EhFrame, known_expressions_are_told_and_others_are_not_guessed) {
  Table stub;
  stub.function(0x4010, 0x20,
                {0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22});
  EXPECT_EQ(stub.rows()[0].type, UnwindType::kPlt);
  Table realigned;
  realigned.function(0x4010, 0x20, {0x10, 6, 2, 0x76, 0, 0x0f, 3, 0x76, 0x78, 6});
  EXPECT_EQ(realigned.rows()[0].type, UnwindType::kRbpDeref);
  EXPECT_EQ(static_cast<int16_t>(realigned.rows()[0].cfa), -1);
  Table other;
  other.function(0x4010, 0x20, {0x0f, 2, 0x77, 8});
  EXPECT_EQ(other.rows()[0].type, UnwindType::kExpression);
  Table base;
  base.function(0x4010, 0x20, {0x0c, 10, 0});  // CFA = r10
  EXPECT_EQ(base.rows()[0].type, UnwindType::kExpression);
}

TEST(EhFrame, an_undefined_return_address_is_the_outermost_frame) {
  Table table;
  table.function(0x4010, 0x20, {0x07, 16});
  EXPECT_EQ(table.rows()[0].type, UnwindType::kEnd);
}

TEST(EhFrame, a_signal_trampoline_is_told) {
  Table table("zRS");
  table.function(0x4010, 0x20, {});
  EXPECT_EQ(table.rows()[0].type, UnwindType::kSignal);
}

TEST(EhFrame, functions_outside_of_the_code_and_damaged_ones_are_left_out) {
  Table table;
  table.function(0x8000, 0x10, {});
  table.function(0x4ff0, 0x100, {});
  EXPECT_TRUE(table.rows().empty());
  std::vector<std::vector<uint8_t>> expressions;
  EXPECT_TRUE(unwind_rows({}, 0, 0x1000, expressions).empty());
}

}  // namespace
}  // namespace unclosed
