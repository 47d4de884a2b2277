#include "collect/bpf/spaces.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

#include "collect/unwind/step.h"

namespace unclosed {
namespace {

uint64_t packed(const UnwindRow& row) {
  return row.pc | uint64_t{row.cfa} << 32 | uint64_t{row.rbp} << 48 |
         uint64_t{static_cast<uint8_t>(row.type)} << 56;
}

// Rows as the walker reads them, and for each block of code which of them begin in it.
void write_table(const UnwindTable& table, uint32_t first_row, std::span<uint64_t> rows,
                 std::span<uint64_t> blocks) {
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = packed(table.rows[i]);
  uint32_t row = 0;
  for (size_t block = 0; block < blocks.size(); ++block) {
    const uint32_t low = row;
    const uint64_t end = (block + 1) << UC_BLOCK_SHIFT;
    while (row < rows.size() && table.rows[row].pc < end) ++row;
    blocks[block] = (first_row + low) | uint64_t{first_row + row} << 32;
  }
}

}  // namespace

Spaces::Spaces(KernelSide& kernel, CodeSource& code, const KernelSideSettings& settings)
    : x_kernel(kernel), x_code(code), x_settings(settings) {}

const Spaces::Placement* Spaces::place(ModuleId module, const UnwindTable& table) {
  const auto known = x_placements.find(module);
  if (known != x_placements.end()) return known->second ? &*known->second : nullptr;
  auto& slot = x_placements[module];
  const uint32_t blocks = (table.size >> UC_BLOCK_SHIFT) + 1;
  const auto rows = static_cast<uint32_t>(table.rows.size());
  if (rows == 0) return nullptr;
  if (rows > x_settings.most_rows - x_rows_used ||
      blocks > x_settings.most_blocks - x_blocks_used) {
    ++x_without_place;
    return nullptr;
  }
  Placement placement{x_rows_used, rows, x_blocks_used, blocks, table.base.value};
  const auto written = x_kernel.edit_tables([&](auto all_rows, auto all_blocks) {
    write_table(table, placement.first_row, all_rows.subspan(placement.first_row, rows),
                all_blocks.subspan(placement.first_block, blocks));
  });
  if (!written) {
    ++x_without_place;
    return nullptr;
  }
  x_rows_used += rows;
  x_blocks_used += blocks;
  slot = placement;
  return &*slot;
}

void Spaces::fill(uc_range& range, const Code& code) {
  range.start = code.start;
  range.end = code.end;
  range.kind = UC_RANGE_FRAME_POINTER;
  if (code.module == kNoModule) return;  // generated code: frame pointers are the best guess
  const ModuleCode& module = x_code.code(code.module);
  if (module.frame_pointers || !module.table) return;
  range.kind = UC_RANGE_TABLE;
  const Placement* placement = place(code.module, *module.table);
  if (placement == nullptr) return;  // no blocks: every walk ends here, marked
  range.base = placement->base + code.bias;
  range.first_row = placement->first_row;
  range.rows = placement->rows;
  range.first_block = placement->first_block;
  range.blocks = placement->blocks;
}

std::optional<uint32_t> Spaces::take_space(std::vector<Code> code, const ProcessId& process) {
  const auto had = x_space_of.find(process);
  if (had != x_space_of.end() && x_spaces[had->second].code == code) return had->second;
  for (uint32_t i = 0; i < x_spaces.size(); ++i) {
    if (x_spaces[i].users == 0 || x_spaces[i].code != code) continue;
    forget(process);
    ++x_spaces[i].users;
    x_space_of[process] = i;
    return i;
  }
  if (had != x_space_of.end() && x_spaces[had->second].users == 1) {
    // The process mapped more code: its space grows in place, and earlier addresses keep their
    // meaning.
    x_spaces[had->second].code = std::move(code);
    return had->second;
  }
  forget(process);
  uint32_t index = 0;
  if (x_spaces.size() < x_settings.most_spaces) {
    index = static_cast<uint32_t>(x_spaces.size());
    x_spaces.emplace_back();
  } else {
    const auto unused = std::find_if(x_spaces.begin(), x_spaces.end(),
                                     [](const Space& space) { return space.users == 0; });
    if (unused == x_spaces.end()) return std::nullopt;
    index = static_cast<uint32_t>(unused - x_spaces.begin());
  }
  x_spaces[index] = {std::move(code), 1};
  x_space_of[process] = index;
  return index;
}

Result<uc_target> Spaces::install(const ProcessId& process, const std::vector<Mapping>& mappings) {
  std::vector<Code> code;
  uc_target target{};
  for (const Mapping& mapping : mappings) {
    if (!mapping.executable || mapping.path == "[vsyscall]") continue;
    Code piece{mapping.start, mapping.end, 0, kNoModule};
    if (!mapping.path.empty() && mapping.path.front() == '/' && mapping.inode != 0) {
      if (const auto module = x_code.open_module(process, mapping)) {
        if (const auto bias = x_code.bias(*module, mapping)) {
          piece.module = *module;
          piece.bias = *bias;
          const ModuleCode& known = x_code.code(*module);
          if (known.go && (target.flags & UC_TARGET_GO) == 0) {
            target.flags |= UC_TARGET_GO;
            target.goid_offset = known.go->goid_offset;
            target.gopc_offset = known.go->gopc_offset;
            target.g_tls_offset = known.go->g_tls_offset;
            for (const auto& [first, last] : known.go->frameless) {
              if (target.frameless == UC_FRAMELESS) break;
              target.frameless_range[target.frameless][0] = first.value + *bias;
              target.frameless_range[target.frameless][1] = last.value + *bias;
              ++target.frameless;
            }
          }
        }
      }
    }
    code.push_back(piece);
  }
  std::sort(code.begin(), code.end(),
            [](const Code& a, const Code& b) { return a.start < b.start; });
  if (code.size() > UC_MAX_RANGES) code.resize(UC_MAX_RANGES);
  const auto index = take_space(std::move(code), process);
  if (!index) {
    target.flags |= UC_TARGET_NO_STACKS;
    return target;
  }
  auto space = std::make_unique<uc_space>();
  const auto& pieces = x_spaces[*index].code;
  space->ranges = static_cast<uint32_t>(pieces.size());
  space->version = ++x_version;
  for (size_t i = 0; i < UC_MAX_RANGES; ++i) {
    if (i < pieces.size()) {
      fill(space->range[i], pieces[i]);
    } else {
      space->range[i].start = space->range[i].end = std::numeric_limits<int64_t>::max();
    }
  }
  target.space = *index;
  if (auto put = x_kernel.put_space(*index, *space); !put) return put.error();
  return target;
}

std::optional<uint32_t> Spaces::space_of(const ProcessId& process) const {
  const auto found = x_space_of.find(process);
  if (found == x_space_of.end()) return std::nullopt;
  return found->second;
}

void Spaces::forget(const ProcessId& process) {
  const auto found = x_space_of.find(process);
  if (found == x_space_of.end()) return;
  --x_spaces[found->second].users;
  x_space_of.erase(found);
}

const Spaces::Code* Spaces::code_at(uint32_t space, uint64_t pc) const {
  if (space >= x_spaces.size()) return nullptr;
  const auto& code = x_spaces[space].code;
  auto after = std::upper_bound(code.begin(), code.end(), pc,
                                [](uint64_t at, const Code& piece) { return at < piece.start; });
  if (after == code.begin()) return nullptr;
  --after;
  return pc < after->end ? &*after : nullptr;
}

Frame Spaces::frame_of(uint32_t space, uint64_t pc) const {
  // A return address may be the first byte behind its mapping (a call that never returns, at the
  // end of the text).
  const Code* code = code_at(space, pc);
  if (code == nullptr && pc != 0) code = code_at(space, pc - 1);
  if (code == nullptr || code->module == kNoModule) return {kNoModule, {pc}};
  return {code->module, {pc - code->bias}};
}

bool Spaces::outdated(uint32_t space, const RawStack& stack) const {
  for (size_t i = 0; i + 1 < stack.frames.size(); ++i) {
    const Frame& frame = stack.frames[i];
    const uint64_t pc = frame.address.value;
    if (frame.module != kNoModule || code_at(space, pc) != nullptr) continue;
    if (pc != 0 && code_at(space, pc - 1) == nullptr) return true;
  }
  return false;
}

namespace {

// The copied part of a stack, read like memory.
class CopiedStack {
 public:
  explicit CopiedStack(const uc_event_stack& copy) : x_copy(copy) {}
  std::optional<uint64_t> word(uint64_t address) const {
    const uint64_t offset = address - x_copy.sp;
    if (address < x_copy.sp || x_copy.size < 8 || offset > x_copy.size - 8) return std::nullopt;
    uint64_t value;
    std::memcpy(&value, x_copy.bytes + offset, sizeof value);
    return value;
  }

 private:
  const uc_event_stack& x_copy;
};

}  // namespace

RawStack Spaces::walk(uint32_t space, const uc_event_stack& copy) const {
  RawStack stack;
  const CopiedStack memory(copy);
  const ReadWord word = [&](uint64_t address) { return memory.word(address); };
  UnwindRegisters at{copy.pc, copy.sp, copy.bp};
  while (stack.frames.size() < UC_MAX_FRAMES) {
    const bool innermost = stack.frames.empty();
    stack.frames.push_back(frame_of(space, at.pc));
    const uint64_t pc = innermost ? at.pc : at.pc - 1;
    const Code* code = code_at(space, pc);
    UnwindRow row{0, 0, 0, UnwindType::kFramePointer};
    uint32_t offset = 0;
    static const std::vector<std::vector<uint8_t>> kNoExpressions;
    const auto* expressions = &kNoExpressions;
    if (code != nullptr && code->module != kNoModule) {
      const ModuleCode& module = x_code.code(code->module);
      bool frameless = false;
      if (innermost && module.go) {
        for (const auto& [first, last] : module.go->frameless) {
          frameless = frameless || (pc - code->bias >= first.value && pc - code->bias < last.value);
        }
      }
      if (frameless) {
        row = {0, 1, 0, UnwindType::kRsp};
      } else if (!module.frame_pointers && module.table) {
        const UnwindTable& table = *module.table;
        expressions = &table.expressions;
        offset = static_cast<uint32_t>(pc - code->bias - table.base.value);
        const UnwindRow* found = row_at(table, offset);
        if (found == nullptr) {
          stack.truncated = Truncation::kNoTable;
          return stack;
        }
        row = *found;
      }
    }
    if (const auto stop = step(at, word, row, offset, *expressions)) {
      stack.truncated = *stop;
      return stack;
    }
  }
  stack.truncated = Truncation::kDepth;
  return stack;
}

}  // namespace unclosed
