#include "collect/seccomp/unwinder.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace unclosed {
namespace {

constexpr size_t kMostFrames = 128;
constexpr size_t kMostSpaces = 256;
constexpr size_t kMostWalks = 128;     // remembered of one pc: they are searched one by one
constexpr size_t kMostRemembered = 4096;  // of a process
// A pc that no mapping covers asks for a new look at them, but not at each stack.
constexpr Duration kReadAgain = std::chrono::milliseconds(200);

// The same frames have the same id for the life of a recording.
StackId id_of(const RawStack& stack) {
  uint64_t hash = 0xcbf29ce484222325ULL ^ static_cast<uint64_t>(stack.truncated);
  const auto mix = [&](uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 29;
  };
  for (const Frame& frame : stack.frames) {
    mix(frame.module);
    mix(frame.address.value);
  }
  return hash == kNoStack ? 1 : hash;
}

std::optional<uint64_t> word_at(const StackCopy& copy, uint64_t address) {
  if (address < copy.sp || copy.bytes.size() < 8) return std::nullopt;
  const uint64_t offset = address - copy.sp;
  if (offset > copy.bytes.size() - 8) return std::nullopt;
  uint64_t value;
  std::memcpy(&value, copy.bytes.data() + offset, sizeof value);
  return value;
}

// Text of the process itself: what it runs, also where the file has changed since.
template <size_t kSize>
std::optional<std::array<uint8_t, kSize>> text_of(const ProcessId& process, uint64_t at) {
  std::array<uint8_t, kSize> bytes{};
  const iovec local{bytes.data(), bytes.size()};
  const iovec remote{reinterpret_cast<void*>(at), bytes.size()};
  if (::process_vm_readv(process.pid, &local, 1, &remote, 1, 0) != ssize_t{kSize}) {
    return std::nullopt;
  }
  return bytes;
}

// What a prologue takes from the stack behind `mov %rsp,%rbp`; nullopt: not a prologue of that
// kind.
std::optional<uint32_t> size_by_prologue(std::span<const uint8_t> code) {
  size_t at = 0;
  const auto is = [&](std::initializer_list<uint8_t> bytes) {
    if (code.size() - at < bytes.size()) return false;
    if (!std::equal(bytes.begin(), bytes.end(), code.begin() + static_cast<ptrdiff_t>(at))) {
      return false;
    }
    at += bytes.size();
    return true;
  };
  (void)is({0xf3, 0x0f, 0x1e, 0xfa});    // endbr64
  if (!is({0x55})) return std::nullopt;  // push %rbp
  if (!is({0x48, 0x89, 0xe5}) && !is({0x48, 0x8b, 0xec})) return std::nullopt;
  uint32_t size = 0;
  for (;;) {  // pushes of registers that the function keeps for its caller
    if (is({0x53}) || is({0x41, 0x54}) || is({0x41, 0x55}) || is({0x41, 0x56}) ||
        is({0x41, 0x57})) {
      size += 8;
    } else {
      break;
    }
  }
  if (is({0x48, 0x83, 0xec}) && at < code.size() && code[at] < 0x80) return size + code[at];
  if (is({0x48, 0x81, 0xec}) && code.size() - at >= 4) {
    uint32_t value;
    std::memcpy(&value, code.data() + at, sizeof value);
    return value < (1U << 20) ? std::optional(size + value) : std::nullopt;
  }
  return size;
}

}  // namespace

struct Unwinder::Walk {
  const ProcessId& process;
  const Space& space;
  const StackCopy& copy;
  UnwindRegisters at;
  ReadWord word;
  bool innermost = true;
  std::vector<Word> words;  // that were read
  bool repeatable = true;   // by the words alone

  Walk(const ProcessId& of, const Space& in, const StackCopy& stack)
      : process(of), space(in), copy(stack), at{stack.pc, stack.sp, {}} {
    word = [this](uint64_t address) { return read(address); };
  }
  Walk(const Walk&) = delete;
  std::optional<uint64_t> read(uint64_t address) {
    const auto value = word_at(copy, address);
    if (!value) {
      repeatable = false;
      return value;
    }
    const uint64_t distance = *value - copy.sp;
    const bool inside = distance <= copy.bytes.size();
    words.push_back({static_cast<uint32_t>(address - copy.sp), inside, inside ? distance : *value});
    return value;
  }
};

void Unwinder::read(const ProcessId& process, Space& space) {
  space.read_at = monotonic_now();
  const auto mappings = x_proc.mappings(process);
  if (!mappings) return;  // ended: what was read before still holds
  std::vector<Piece> pieces;
  for (const Mapping& mapping : *mappings) {
    if (!mapping.executable || mapping.path == "[vsyscall]") continue;
    Piece piece{mapping.start, mapping.end, 0, kNoModule};
    if (!mapping.path.empty() && mapping.path.front() == '/') {
      const auto module = x_code.open_module(process, mapping);
      const auto bias = module ? x_code.bias(*module, mapping) : std::nullopt;
      if (bias) {
        piece.module = *module;
        piece.bias = *bias;
        if (const auto& go = x_code.code(*module).go) {
          const uint64_t all = go->all_goroutines ? go->all_goroutines->value + *bias : 0;
          space.go = GoroutinePlace{all, go->goid_offset};
        }
      }
    }
    pieces.push_back(piece);
  }
  if (pieces.empty()) return;
  space.pieces = std::move(pieces);
  space.walks.clear();
  space.remembered = 0;
}

const Unwinder::Piece* Unwinder::piece_at(const Space& space, uint64_t pc) {
  const auto after =
      std::upper_bound(space.pieces.begin(), space.pieces.end(), pc,
                       [](uint64_t value, const Piece& piece) { return value < piece.start; });
  if (after == space.pieces.begin()) return nullptr;
  const Piece& piece = *std::prev(after);
  return pc < piece.end ? &piece : nullptr;
}

Unwinder::Space& Unwinder::space_of(const ProcessId& process, uint64_t pc) {
  if (x_spaces.size() >= kMostSpaces && !x_spaces.contains(process)) x_spaces.clear();
  Space& space = x_spaces[process];
  if (piece_at(space, pc) == nullptr && monotonic_now() - space.read_at > kReadAgain) {
    read(process, space);
  }
  return space;
}

std::optional<GoroutinePlace> Unwinder::goroutines(const ProcessId& process) const {
  const auto found = x_spaces.find(process);
  return found != x_spaces.end() ? found->second.go : std::nullopt;
}

Frame Unwinder::frame_of(const Space& space, uint64_t pc) const {
  const Piece* piece = piece_at(space, pc);
  if (piece == nullptr && pc != 0) piece = piece_at(space, pc - 1);
  if (piece == nullptr || piece->module == kNoModule) return {kNoModule, {pc}};
  return {piece->module, {pc - piece->bias}};
}

// Whether the instruction before a return address is a call.
bool Unwinder::is_call_before(const Walk& walk, uint64_t pc) {
  if (piece_at(walk.space, pc - 1) == nullptr) return false;
  const auto code = text_of<7>(walk.process, pc - 7);
  if (!code) return false;
  if ((*code)[2] == 0xe8) return true;  // call to an address
  for (size_t at = 0; at < 6; ++at) {   // through a register or memory
    if ((*code)[at] == 0xff && ((*code)[at + 1] & 0x38) == 0x10) return true;
  }
  return false;
}

// rbp of a frame that lies between its prologue and its epilogue, from sp alone.
std::optional<uint64_t> Unwinder::frame_pointer(const Walk& walk, const Piece& piece,
                                                const UnwindTable& table, const UnwindRow& row) {
  const UnwindRow* first = &row;  // the row at the function's entry
  const UnwindRow* begin = table.rows.data();
  while (first > begin && !(first->type == UnwindType::kRsp && first->cfa == 1)) --first;
  if (first->type != UnwindType::kRsp || first->cfa != 1) return std::nullopt;
  const uint64_t entry = table.base.value + first->pc + piece.bias;
  auto& sizes = x_sizes[piece.module];
  auto known = sizes.find(first->pc);
  if (known == sizes.end()) {
    const auto code = text_of<32>(walk.process, entry);
    known = sizes.emplace(first->pc, code ? size_by_prologue(*code) : std::nullopt).first;
  }
  if (!known->second) return std::nullopt;
  const uint64_t bp = walk.at.sp + *known->second;
  const auto saved = walk.word(bp), back = walk.word(bp + 8);
  if (!saved || !back || !is_call_before(walk, *back)) return std::nullopt;
  return bp;
}

std::optional<Truncation> Unwinder::step_once(Walk& walk) {
  static const std::vector<std::vector<uint8_t>> kNone;
  const uint64_t pc = walk.innermost ? walk.at.pc : walk.at.pc - 1;
  const Piece* piece = piece_at(walk.space, pc);
  const UnwindRow by_frame_pointer{0, 0, 0, UnwindType::kFramePointer};
  if (piece == nullptr || piece->module == kNoModule) {
    return walk.at.bp ? step(walk.at, walk.word, by_frame_pointer, 0, kNone)
                      : std::optional(Truncation::kNoTable);
  }
  const ModuleCode& code = x_code.code(piece->module);
  if (code.go) {
    const auto row = x_code.go_row(piece->module, ElfAddr{pc - piece->bias});
    if (row) {
      walk.at.bp.reset();
      return step(walk.at, walk.word, *row, 0, kNone);
    }
  }
  if (!code.table) return Truncation::kNoTable;
  const auto offset = static_cast<uint32_t>(pc - piece->bias - code.table->base.value);
  const UnwindRow* row = row_at(*code.table, offset);
  if (row == nullptr) return Truncation::kNoTable;
  // A computed frame may depend on where the stack lies, a signal's on what it interrupted.
  if (row->type == UnwindType::kExpression || row->type == UnwindType::kSignal) {
    walk.repeatable = false;
  }
  if (!walk.at.bp && row->type == UnwindType::kRbp) {
    walk.at.bp = frame_pointer(walk, *piece, *code.table, *row);
  }
  return step(walk.at, walk.word, *row, offset, code.table->expressions);
}

RawStack Unwinder::walk_anew(Walk& walk) {
  RawStack stack;
  while (stack.frames.size() < kMostFrames) {
    const uint64_t sp = walk.at.sp;
    stack.frames.push_back(frame_of(walk.space, walk.at.pc));
    if (const auto stop = step_once(walk)) {
      stack.truncated = *stop;
      return stack;
    }
    if (walk.at.sp <= sp && !walk.innermost) break;  // stacks only grow towards their beginning
    walk.innermost = false;
  }
  stack.truncated = Truncation::kDepth;
  return stack;
}

const Unwinder::Remembered* Unwinder::remembered(const Space& space, const StackCopy& copy) {
  const auto found = space.walks.find(copy.pc);
  if (found == space.walks.end()) return nullptr;
  const auto holds = [&](const Word& word) {
    const auto value = word_at(copy, copy.sp + word.offset);
    return value && (word.distance ? *value - copy.sp : *value) == word.value;
  };
  for (const Remembered& one : found->second) {
    if (std::all_of(one.words.begin(), one.words.end(), holds)) return &one;
  }
  return nullptr;
}

const Unwinder::Walked& Unwinder::walk(const ProcessId& process, const StackCopy& copy) {
  Space& space = space_of(process, copy.pc);
  if (const Remembered* known = remembered(space, copy)) return known->walked;
  Walk walk(process, space, copy);
  x_last.stack = walk_anew(walk);
  x_last.id = id_of(x_last.stack);
  if (!walk.repeatable) return x_last;
  if (++space.remembered > kMostRemembered) {
    space.walks.clear();
    space.remembered = 1;
  }
  auto& walks = space.walks[copy.pc];
  if (walks.size() >= kMostWalks) walks.clear();
  walks.push_back({std::move(walk.words), x_last});
  return x_last;
}

}  // namespace unclosed
