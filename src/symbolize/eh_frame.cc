#include "symbolize/eh_frame.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>

#include "symbolize/cursor.h"
#include "symbolize/encoded_pointer.h"

namespace unclosed {
namespace {

constexpr size_t kRowCap = 16'000'000;
constexpr size_t kFunctionCap = 4'000'000;
// DWARF register numbers of x86-64.
constexpr uint64_t kRbpRegister = 6, kRspRegister = 7, kReturnAddress = 16;

enum class Rule : uint8_t { kUnchanged, kSaved, kLost, kSavedAtRbp };
enum class CfaRule : uint8_t { kRegister, kPlt, kRbpDeref, kUnknown };

// The state of the machine that the programs drive.
struct State {
  CfaRule cfa = CfaRule::kUnknown;
  uint64_t base = kRspRegister;
  int64_t offset = 0;
  uint16_t expression = 0;  // of kUnknown: its number plus one; 0: none that is kept
  Rule rbp = Rule::kUnchanged;
  int64_t rbp_offset = 0;
  bool outermost = false;         // the return address is undefined
  bool return_elsewhere = false;  // the return address is not at CFA-8
};

struct Cie {
  uint64_t code_align = 1;
  int64_t data_align = 1;
  uint8_t pointer_encoding = 0;
  bool signal = false;
  bool augmented = false;
  Bytes program;
};

struct Fde {
  uint64_t start = 0, end = 0;
  uint32_t cie = 0;
  Bytes program;
  uint64_t program_address = 0;
};

// Runs the programs of one table and collects its rows.
class RowMaker {
 public:
  RowMaker(const EhFrame& frame, uint64_t base, uint64_t size,
           std::vector<std::vector<uint8_t>>& expressions)
      : x_frame(frame), x_base(base), x_end(base + size), x_expressions(expressions) {}

  std::vector<UnwindRow> make() {
    read_records();
    std::stable_sort(x_fdes.begin(), x_fdes.end(),
                     [](const Fde& a, const Fde& b) { return a.start < b.start; });
    x_rows.reserve(x_fdes.size() * 4);
    for (const Fde& fde : x_fdes) {
      if (x_rows.size() >= kRowCap) break;
      run(fde);
    }
    if (x_covered != 0) add(x_covered, UnwindRow{});
    return std::move(x_rows);
  }

 private:
  void read_records();
  void read_fde(uint64_t id_at, uint64_t cie_at, Bytes body, uint64_t body_at);
  std::optional<uint32_t> cie_at(uint64_t offset);
  void run(const Fde& fde);
  // Returns false where the program is damaged; the rows so far stand.
  bool execute(Bytes program, uint64_t program_address, const Cie& cie, const State& initial);
  bool execute_extended(uint8_t op, Cursor& in, const Cie& cie, const State& initial);
  void register_rule(uint64_t reg, Rule rule, int64_t offset);
  void cfa_expression(Bytes expression);
  uint16_t keep_expression(Bytes expression);
  void advance(uint64_t to);
  UnwindRow row() const;
  uint8_t saved_rbp(const UnwindRow& row) const;
  void add(uint64_t pc, UnwindRow row);

  EhFrame x_frame;
  uint64_t x_base, x_end;
  std::vector<std::vector<uint8_t>>& x_expressions;
  std::vector<Cie> x_cies;
  std::unordered_map<uint64_t, std::optional<uint32_t>> x_cie_index;
  std::vector<Fde> x_fdes;
  std::vector<UnwindRow> x_rows;
  uint64_t x_covered = 0;  // end of the last FDE that gave rows

  // While a program runs:
  State x_state;
  std::array<State, 16> x_stack;
  size_t x_depth = 0;
  uint64_t x_pc = 0, x_stop = 0;
  bool x_emit = false, x_signal = false;
};

void RowMaker::read_records() {
  uint64_t at = 0;
  while (x_fdes.size() < kFunctionCap) {
    const auto length = load<uint32_t>(x_frame.bytes, at);
    if (!length) return;
    if (*length == 0) {  // crtend.o puts one in the middle of static programs
      if (x_frame.ends_at_zero) return;
      at += 4;
      continue;
    }
    uint64_t size = *length, header = 4;
    if (*length == UINT32_MAX) {
      const auto wide = load<uint64_t>(x_frame.bytes, at + 4);
      if (!wide) return;
      size = *wide, header = 12;
    }
    const auto record = slice(x_frame.bytes, at + header, size);
    const auto id = record ? load<uint32_t>(*record, 0) : std::nullopt;
    if (!id) return;
    const uint64_t id_at = at + header;
    if (*id != 0 && *id <= id_at) read_fde(id_at, id_at - *id, record->subspan(4), id_at + 4);
    at = id_at + size;
  }
}

void RowMaker::read_fde(uint64_t, uint64_t cie_offset, Bytes body, uint64_t body_at) {
  const auto index = cie_at(cie_offset);
  if (!index) return;
  const Cie& cie = x_cies[*index];
  Cursor in(body);
  const auto start = encoded_pointer(in, cie.pointer_encoding, x_frame.address, body_at);
  const auto length = encoded_pointer(in, cie.pointer_encoding & 0x0f, x_frame.address, body_at);
  if (cie.augmented) in.skip(in.uleb());
  if (!start || !length || !in.ok() || *length == 0) return;
  if (*start < x_base || *start >= x_end || *length > x_end - *start) return;
  x_fdes.push_back({*start, *start + *length, *index, body.subspan(in.position()),
                    x_frame.address + body_at + in.position()});
}

std::optional<uint32_t> RowMaker::cie_at(uint64_t offset) {
  const auto known = x_cie_index.find(offset);
  if (known != x_cie_index.end()) return known->second;
  auto& entry = x_cie_index[offset];
  const auto length = load<uint32_t>(x_frame.bytes, offset);
  if (!length || *length == UINT32_MAX) return std::nullopt;
  const auto record = slice(x_frame.bytes, offset + 4, *length);
  if (!record) return std::nullopt;
  Cursor in(*record);
  const uint32_t id = in.u32();
  const uint8_t version = in.u8();
  const auto augmentation = text_at(*record, in.position(), 32);
  if (id != 0 || (version != 1 && version != 3) || !augmentation) return std::nullopt;
  in.skip(augmentation->size() + 1);
  Cie cie;
  cie.code_align = in.uleb();
  cie.data_align = in.sleb();
  const uint64_t return_register = version == 1 ? in.u8() : in.uleb();
  if (return_register != kReturnAddress) return std::nullopt;
  if (augmentation->starts_with('z')) {
    cie.augmented = true;
    const uint64_t size = in.uleb();
    const uint64_t end = in.position() + size;
    for (const char letter : augmentation->substr(1)) {
      if (letter == 'R') cie.pointer_encoding = in.u8();
      if (letter == 'L') in.skip(1);
      if (letter == 'S') cie.signal = true;
      if (letter == 'P' && !encoded_pointer(in, in.u8() & 0x0f, 0, 0)) return std::nullopt;
    }
    if (!in.ok() || end < in.position()) return std::nullopt;
    in.skip(end - in.position());
  } else if (!augmentation->empty()) {
    return std::nullopt;
  }
  if (!in.ok()) return std::nullopt;
  cie.program = record->subspan(in.position());
  x_cies.push_back(cie);
  entry = static_cast<uint32_t>(x_cies.size() - 1);
  return entry;
}

void RowMaker::run(const Fde& fde) {
  const uint64_t start = std::max(fde.start, x_covered);
  if (start >= fde.end) return;
  if (x_covered != 0 && x_covered < fde.start) add(x_covered, UnwindRow{});
  const Cie& cie = x_cies[fde.cie];
  x_state = State{};
  x_depth = 0;
  x_emit = false;
  x_signal = cie.signal;
  x_pc = fde.start;
  x_stop = fde.end;
  static_cast<void>(execute(cie.program, 0, cie, State{}));
  const State initial = x_state;
  x_emit = true;
  x_pc = fde.start;
  x_depth = 0;
  if (execute(fde.program, fde.program_address, cie, initial) && x_pc < x_stop) add(x_pc, row());
  x_covered = fde.end;
}

void RowMaker::advance(uint64_t to) {
  if (x_emit && x_pc < x_stop) add(x_pc, row());
  x_pc = to < x_pc ? x_stop : std::min(to, x_stop);  // never backwards
}

bool RowMaker::execute(Bytes program, uint64_t program_address, const Cie& cie,
                       const State& initial) {
  Cursor in(program);
  while (!in.at_end()) {
    const uint8_t op = in.u8();
    const uint64_t low = op & 0x3f;
    switch (op >> 6) {
      case 1:
        advance(x_pc + low * cie.code_align);
        break;
      case 2:
        register_rule(low, Rule::kSaved,
                      static_cast<int64_t>(in.uleb() * static_cast<uint64_t>(cie.data_align)));
        break;
      case 3:
        register_rule(low, initial.rbp, initial.rbp_offset);
        break;
      default:
        if (op == 0x01) {  // set_loc
          const auto to = encoded_pointer(in, cie.pointer_encoding, program_address, 0);
          if (!to) return false;
          advance(*to);
        } else if (!execute_extended(op, in, cie, initial)) {
          return false;
        }
    }
  }
  return in.ok();
}

bool RowMaker::execute_extended(uint8_t op, Cursor& in, const Cie& cie, const State& initial) {
  const auto scaled = [&](int64_t factor) {
    return static_cast<int64_t>(static_cast<uint64_t>(factor) *
                                static_cast<uint64_t>(cie.data_align));
  };
  const auto base = [&](uint64_t reg, int64_t offset) {
    x_state.cfa = CfaRule::kRegister;
    x_state.base = reg;
    x_state.offset = offset;
  };
  switch (op) {
    case 0x00:
      break;  // nop
    case 0x02:
      advance(x_pc + in.u8() * cie.code_align);
      break;  // advance_loc1
    case 0x03:
      advance(x_pc + in.u16() * cie.code_align);
      break;  // advance_loc2
    case 0x04:
      advance(x_pc + in.u32() * cie.code_align);
      break;      // advance_loc4
    case 0x05: {  // offset_extended
      const uint64_t reg = in.uleb();
      register_rule(reg, Rule::kSaved, scaled(static_cast<int64_t>(in.uleb())));
      break;
    }
    case 0x06:
      register_rule(in.uleb(), initial.rbp, initial.rbp_offset);
      break;      // restore_ext.
    case 0x07: {  // undefined
      const uint64_t reg = in.uleb();
      if (reg == kReturnAddress)
        x_state.outermost = true;
      else
        register_rule(reg, Rule::kLost, 0);
      break;
    }
    case 0x08:
      register_rule(in.uleb(), Rule::kUnchanged, 0);
      break;      // same_value
    case 0x09: {  // register
      const uint64_t reg = in.uleb();
      in.uleb();
      register_rule(reg, Rule::kLost, 0);
      break;
    }
    case 0x0a:  // remember_state
      if (x_depth == x_stack.size()) return false;
      x_stack[x_depth++] = x_state;
      break;
    case 0x0b:  // restore_state
      if (x_depth == 0) return false;
      x_state = x_stack[--x_depth];
      break;
    case 0x0c: {  // def_cfa
      const uint64_t reg = in.uleb();
      base(reg, static_cast<int64_t>(in.uleb()));
      break;
    }
    case 0x0d:
      base(in.uleb(), x_state.offset);
      break;  // _register
    case 0x0e:
      x_state.offset = static_cast<int64_t>(in.uleb());
      break;  // _offset
    case 0x0f:
      cfa_expression(in.take(in.uleb()));
      break;      // expression
    case 0x10: {  // expression
      const uint64_t reg = in.uleb();
      const Bytes code = in.take(in.uleb());
      const bool at_rbp = code.size() == 2 && code[0] == std::byte{0x76} && code[1] == std::byte{0};
      register_rule(reg, at_rbp ? Rule::kSavedAtRbp : Rule::kLost, 0);
      break;
    }
    case 0x11: {  // offset_extended_sf
      const uint64_t reg = in.uleb();
      register_rule(reg, Rule::kSaved, scaled(in.sleb()));
      break;
    }
    case 0x12: {  // def_cfa_sf
      const uint64_t reg = in.uleb();
      base(reg, scaled(in.sleb()));
      break;
    }
    case 0x13:
      x_state.offset = scaled(in.sleb());
      break;  // def_cfa_offset_sf
    case 0x14:
    case 0x15:
    case 0x16: {  // val_offset, val_offset_sf, val_expression
      const uint64_t reg = in.uleb();
      if (op == 0x16)
        in.skip(in.uleb());
      else
        in.uleb();
      register_rule(reg, Rule::kLost, 0);
      break;
    }
    case 0x2e:
      in.uleb();
      break;  // GNU_args_size
    default:
      return false;
  }
  return in.ok();
}

void RowMaker::register_rule(uint64_t reg, Rule rule, int64_t offset) {
  if (reg == kRbpRegister) {
    x_state.rbp = rule;
    x_state.rbp_offset = offset;
  } else if (reg == kReturnAddress) {
    x_state.return_elsewhere = rule != Rule::kSaved || offset != -8;
    x_state.outermost = false;
  }
}

void RowMaker::cfa_expression(Bytes expression) {
  // What binutils writes for lazy-binding stubs: rsp + 8 + (((rip & 15) >= 11) << 3), and the form
  // with >= 10 for stubs that begin with endbr64; both are stepped alike.
  static constexpr std::array<uint8_t, 11> kStub = {0x77, 8,    0x80, 0,    0x3f, 0x1a,
                                                    0x3b, 0x2a, 0x33, 0x24, 0x22};
  const auto at = [&](size_t i) { return static_cast<uint8_t>(expression[i]); };
  x_state.cfa = CfaRule::kUnknown;
  if (expression.size() == kStub.size()) {
    bool same = true;
    for (size_t i = 0; i < kStub.size(); ++i) same = same && (at(i) == kStub[i] || i == 6);
    if (same && (at(6) == 0x3b || at(6) == 0x3a)) x_state.cfa = CfaRule::kPlt;
  } else if (expression.size() == 3 && at(0) == 0x76 && at(2) == 0x06 && (at(1) & 0x80) == 0) {
    x_state.cfa = CfaRule::kRbpDeref;  // breg6 offset, deref
    x_state.offset = static_cast<int8_t>(static_cast<uint8_t>(at(1) << 1)) >> 1;
  }
  x_state.expression = x_state.cfa == CfaRule::kUnknown ? keep_expression(expression) : 0;
}

// The number under which an expression is kept, plus one; 0: too long, or too many.
uint16_t RowMaker::keep_expression(Bytes expression) {
  constexpr size_t kLongest = 64, kMost = 4096;
  if (expression.empty() || expression.size() > kLongest) return 0;
  const auto* first = reinterpret_cast<const uint8_t*>(expression.data());
  std::vector<uint8_t> bytes(first, first + expression.size());
  const auto known = std::find(x_expressions.begin(), x_expressions.end(), bytes);
  const auto index = static_cast<size_t>(known - x_expressions.begin());
  if (known == x_expressions.end()) {
    if (x_expressions.size() >= kMost) return 0;
    x_expressions.push_back(std::move(bytes));
  }
  return static_cast<uint16_t>(index + 1);
}

UnwindRow RowMaker::row() const {
  UnwindRow row;
  if (x_state.outermost) {
    row.cfa = kOutermost;
    return row;
  }
  row.type = UnwindType::kExpression;
  if (x_signal) {
    row.type = UnwindType::kSignal;
    return row;
  }
  if (x_state.return_elsewhere) return row;
  const int64_t words = x_state.offset / 8;
  const bool whole = x_state.offset % 8 == 0;
  switch (x_state.cfa) {
    case CfaRule::kUnknown:
      row.cfa = x_state.expression;
      row.rbp = saved_rbp(row);
      return row;
    case CfaRule::kPlt:
      row.type = UnwindType::kPlt;
      return row;
    case CfaRule::kRbpDeref:
      // Such a function saved the caller's rbp where rbp points to now, as its walker expects.
      if (!whole || x_state.rbp != Rule::kSavedAtRbp) return row;
      row.type = UnwindType::kRbpDeref;
      row.cfa = static_cast<uint16_t>(static_cast<int16_t>(words));
      return row;
    case CfaRule::kRegister:
      break;
  }
  if (!whole || words < 0 || words > UINT16_MAX) return row;
  if (x_state.base != kRspRegister && x_state.base != kRbpRegister) return row;
  row.type = x_state.base == kRspRegister ? UnwindType::kRsp : UnwindType::kRbp;
  row.cfa = static_cast<uint16_t>(words);
  row.rbp = saved_rbp(row);
  return row;
}

// Where the caller's rbp is, from the CFA, in units of eight bytes: 0 unchanged, 255 not known.
uint8_t RowMaker::saved_rbp(const UnwindRow& row) const {
  const int64_t slot = -x_state.rbp_offset / 8;
  switch (x_state.rbp) {
    case Rule::kUnchanged:
      return 0;
    case Rule::kLost:
      return 255;
    case Rule::kSavedAtRbp:  // known in terms of the CFA only while that hangs on rbp as well
      return row.type == UnwindType::kRbp && row.cfa > 0 && row.cfa < 255
                 ? static_cast<uint8_t>(row.cfa)
                 : 255;
    case Rule::kSaved:
      return x_state.rbp_offset % 8 == 0 && slot > 0 && slot < 255 ? static_cast<uint8_t>(slot)
                                                                   : 255;
  }
  return 255;
}

void RowMaker::add(uint64_t pc, UnwindRow row) {
  if (pc < x_covered) pc = x_covered;  // the part that an earlier FDE speaks of is its own
  row.pc = static_cast<uint32_t>(pc - x_base);
  if (!x_rows.empty() && x_rows.back().pc >= row.pc) {
    if (x_rows.back().pc > row.pc) return;
    x_rows.pop_back();
  }
  if (!x_rows.empty()) {
    UnwindRow before = x_rows.back();
    before.pc = row.pc;
    if (before == row) return;
  }
  x_rows.push_back(row);
}

}  // namespace

std::vector<UnwindRow> unwind_rows(const EhFrame& frame, uint64_t base, uint64_t size,
                                   std::vector<std::vector<uint8_t>>& expressions) {
  if (size > UINT32_MAX || size > UINT64_MAX - base) return {};
  return RowMaker(frame, base, size, expressions).make();
}

}  // namespace unclosed
