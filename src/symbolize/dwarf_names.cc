#include "symbolize/dwarf_names.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <libelf.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "symbolize/plain_name.h"

namespace unclosed {
namespace {

constexpr unsigned kDepthCap = 128;     // of nested DIEs, and of references between them
constexpr size_t kDieCap = 20'000'000;  // visited in one unit
constexpr size_t kUnitCap = 1'000'000;
constexpr uint32_t kNoScope = UINT32_MAX;

struct Range {
  uint64_t start = 0, end = 0;
  Dwarf_Off die = 0;
};

// A namespace, class or function that qualifies the names in it.
struct Scope {
  uint32_t parent = kNoScope;
  std::string name;
};

struct Unit {
  Dwarf_Die die;
  Language language = Language::kC;
  bool indexed = false, deep = false;
  std::vector<Range> functions;                          // sorted by start
  std::vector<std::pair<Dwarf_Off, uint32_t>> scope_of;  // functions in scopes, sorted
  std::vector<Scope> scopes;
};

std::optional<std::string_view> text_of(Dwarf_Die* die, unsigned name) {
  Dwarf_Attribute attribute;
  const char* text = dwarf_formstring(dwarf_attr(die, name, &attribute));
  if (text == nullptr) return std::nullopt;
  return std::string_view(text);
}

std::optional<uint64_t> number_of(Dwarf_Die* die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (dwarf_formudata(dwarf_attr(die, name, &attribute), &value) != 0) return std::nullopt;
  return value;
}

// Calls `visit(start, end)` for each range of code of `die`.
template <class Visit>
void each_range(Dwarf_Die* die, Visit visit) {
  constexpr unsigned kRangeCap = 1'000'000;
  Dwarf_Addr base = 0, start = 0, end = 0;
  ptrdiff_t offset = 0;
  for (unsigned i = 0;
       i < kRangeCap && (offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0; ++i)
    if (start < end && start != 0) visit(start, end);  // 0: code that the linker dropped
}

bool covers(Dwarf_Die* die, uint64_t address) {
  bool found = false;
  each_range(die, [&](uint64_t start, uint64_t end) {
    found = found || (start <= address && address < end);
  });
  return found;
}

bool qualifies(int tag) {
  return tag == DW_TAG_namespace || tag == DW_TAG_class_type || tag == DW_TAG_structure_type ||
         tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type || tag == DW_TAG_module ||
         tag == DW_TAG_interface_type;
}

// The file as the build named it; a relative one below the folder of the build, where that is
// known.
std::string full_path(Dwarf_Die* unit, std::string_view file) {
  const std::string_view folder = text_of(unit, DW_AT_comp_dir).value_or("");
  if (file.starts_with('/') || !folder.starts_with('/')) return std::string(file);
  return std::string(folder) + (folder.ends_with('/') ? "" : "/") + std::string(file);
}

std::string scope_name(Dwarf_Die* die, int tag) {
  const auto name = text_of(die, DW_AT_name);
  if (tag == DW_TAG_namespace) return name ? without_template(*name) : "(anonymous namespace)";
  if (!name || name->starts_with("<lambda") || name->starts_with("{lambda")) return "{lambda}";
  return without_template(*name);
}

}  // namespace

struct DwarfNames::State {
  Elf* elf = nullptr;
  Dwarf* dwarf = nullptr;
  std::vector<Unit> units;
  std::vector<std::pair<Range, uint32_t>> unit_ranges;  // sorted by start
  std::unordered_map<Dwarf_Off, uint32_t> unit_by_die;  // offset of the unit's own DIE

  ~State() {
    if (dwarf != nullptr) dwarf_end(dwarf);
    if (elf != nullptr) elf_end(elf);
  }

  void read_units();
  void index(Unit& unit, bool deep);
  void walk(Unit& unit, Dwarf_Die parent, uint32_t scope, unsigned depth, size_t& budget);
  Unit* unit_of(Dwarf_Die* die);
  std::optional<Dwarf_Die> function_at(Unit& unit, uint64_t address);
  std::string name(Dwarf_Die* die);
  std::string qualified(Dwarf_Die* die, std::string_view name);
  bool frames_in(Unit& unit, uint64_t address, std::vector<DwarfFrame>& frames);
  static void line_at(Unit& unit, Dwarf_Die* function, uint64_t address, DwarfFrame& frame);
  static void call_of(Unit& unit, Dwarf_Die* inlined, DwarfFrame& caller);
};

void DwarfNames::State::read_units() {
  Dwarf_CU* cu = nullptr;
  Dwarf_Half version = 0;
  uint8_t type = 0;
  Dwarf_Die die, sub;
  while (units.size() < kUnitCap &&
         dwarf_get_units(dwarf, cu, &cu, &version, &type, &die, &sub) == 0) {
    if (type != DW_UT_compile && type != DW_UT_partial && type != DW_UT_skeleton) continue;
    Unit unit;
    unit.die = die;
    const auto language = number_of(&die, DW_AT_language).value_or(0);
    if (language == DW_LANG_Rust) unit.language = Language::kRust;
    const auto number = static_cast<uint32_t>(units.size());
    each_range(&die, [&](uint64_t start, uint64_t end) {
      unit_ranges.push_back({Range{start, end, 0}, number});
    });
    unit_by_die.emplace(dwarf_dieoffset(&die), number);
    units.push_back(std::move(unit));
  }
  std::sort(unit_ranges.begin(), unit_ranges.end(),
            [](const auto& a, const auto& b) { return a.first.start < b.first.start; });
}

// Collects the functions of a unit and what qualifies their names. Bodies of functions are looked
// into only when `deep`: that finds lambdas and local classes, at ten times the cost.
void DwarfNames::State::index(Unit& unit, bool deep) {
  if (unit.indexed && (unit.deep || !deep)) return;
  unit.indexed = true;
  unit.deep = deep;
  unit.functions.clear();
  unit.scope_of.clear();
  unit.scopes.clear();
  size_t budget = kDieCap;
  walk(unit, unit.die, kNoScope, 0, budget);
  std::sort(unit.functions.begin(), unit.functions.end(),
            [](const Range& a, const Range& b) { return a.start < b.start; });
  std::sort(unit.scope_of.begin(), unit.scope_of.end());
}

void DwarfNames::State::walk(Unit& unit, Dwarf_Die parent, uint32_t scope, unsigned depth,
                             size_t& budget) {
  Dwarf_Die child;
  if (depth > kDepthCap || dwarf_child(&parent, &child) != 0) return;
  do {
    if (budget-- == 0) {
      budget = 0;
      return;
    }
    const int tag = dwarf_tag(&child);
    if (tag == DW_TAG_subprogram) {
      const Dwarf_Off offset = dwarf_dieoffset(&child);
      each_range(&child, [&](uint64_t start, uint64_t end) {
        unit.functions.push_back({start, end, offset});
      });
      if (scope != kNoScope) unit.scope_of.emplace_back(offset, scope);
    }
    const bool body = tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block;
    if (!qualifies(tag) && !(unit.deep && body)) continue;
    uint32_t inner = scope;
    if (tag != DW_TAG_lexical_block) {
      inner = static_cast<uint32_t>(unit.scopes.size());
      const std::string own = qualifies(tag)
                                  ? scope_name(&child, tag)
                                  : without_template(text_of(&child, DW_AT_name).value_or(""));
      unit.scopes.push_back({scope, own});
      if (tag == DW_TAG_subprogram && own.empty()) unit.scopes.back().name = name(&child);
    }
    walk(unit, child, inner, depth + 1, budget);
  } while (dwarf_siblingof(&child, &child) == 0);
}

Unit* DwarfNames::State::unit_of(Dwarf_Die* die) {
  Dwarf_Die unit;
  if (dwarf_diecu(die, &unit, nullptr, nullptr) == nullptr) return nullptr;
  const auto found = unit_by_die.find(dwarf_dieoffset(&unit));
  return found == unit_by_die.end() ? nullptr : &units[found->second];
}

std::optional<Dwarf_Die> DwarfNames::State::function_at(Unit& unit, uint64_t address) {
  for (const bool deep : {false, true}) {
    index(unit, deep);
    auto at =
        std::upper_bound(unit.functions.begin(), unit.functions.end(), address,
                         [](uint64_t value, const Range& range) { return value < range.start; });
    for (int tries = 0; at != unit.functions.begin() && tries < 8; ++tries) {
      --at;
      Dwarf_Die die;
      if (address < at->end && dwarf_offdie(dwarf, at->die, &die) != nullptr) return die;
    }
  }
  return std::nullopt;
}

// The name that qualifies `die`: from the scope it, or the declaration it completes, stands in.
std::string DwarfNames::State::qualified(Dwarf_Die* die, std::string_view name) {
  Unit* unit = unit_of(die);
  if (unit == nullptr) return std::string(name);
  const Dwarf_Off offset = dwarf_dieoffset(die);
  const auto find = [&]() -> uint32_t {
    const auto at = std::lower_bound(unit->scope_of.begin(), unit->scope_of.end(),
                                     std::pair<Dwarf_Off, uint32_t>(offset, 0));
    return at != unit->scope_of.end() && at->first == offset ? at->second : kNoScope;
  };
  index(*unit, false);
  uint32_t scope = find();
  if (scope == kNoScope && name == "operator()") {
    index(*unit, true);
    scope = find();
  }
  std::string text(name);
  for (unsigned i = 0; scope != kNoScope && scope < unit->scopes.size() && i < kDepthCap; ++i) {
    const Scope& outer = unit->scopes[scope];
    const bool call = outer.name == "{lambda}" && (text == "operator()" || text == "_FUN");
    text = call ? outer.name : outer.name + "::" + text;
    scope = outer.parent;
  }
  return text;
}

std::string DwarfNames::State::name(Dwarf_Die* die) {
  Dwarf_Die at = *die;
  std::string_view own, linkage;
  for (unsigned i = 0; i < kDepthCap; ++i) {
    if (own.empty()) own = text_of(&at, DW_AT_name).value_or("");
    if (linkage.empty()) linkage = text_of(&at, DW_AT_linkage_name).value_or("");
    Dwarf_Attribute reference;
    Dwarf_Die next;
    const unsigned kind =
        dwarf_hasattr(&at, DW_AT_abstract_origin) ? DW_AT_abstract_origin : DW_AT_specification;
    if (dwarf_attr(&at, kind, &reference) == nullptr ||
        dwarf_formref_die(&reference, &next) == nullptr)
      break;
    at = next;
  }
  if (own.empty()) return linkage.empty() ? std::string() : plain_symbol(linkage);
  std::string text = qualified(&at, without_template(own));
  // Rust has no name for the block of a trait's methods but in the symbol.
  if (text.find("{impl#") != std::string::npos)
    if (std::string rust = plain_rust(linkage); !rust.empty()) return rust;
  return text;
}

namespace {

std::string_view source_of(Dwarf_Line* line) {
  const char* source = dwarf_linesrc(line, nullptr, nullptr);
  return source == nullptr ? std::string_view() : std::string_view(source);
}

// Of the rows that share the address of row `at`, which is the last of them, the one that gdb
// shows. A change of file drops the rows before it, but one that begins no statement does not count
// where a statement began; of the rest the last that begins a statement (gdb's dwarf2/read.c,
// record_line, and symtab.c, find_pc_sect_line).
Dwarf_Line* shown_row(Dwarf_Lines* lines, size_t at) {
  Dwarf_Addr address = 0, other = 0;
  if (dwarf_lineaddr(dwarf_onesrcline(lines, at), &address) != 0) return nullptr;
  size_t first = at;
  while (first > 0 && dwarf_lineaddr(dwarf_onesrcline(lines, first - 1), &other) == 0 &&
         other == address) {
    --first;
  }
  std::string_view file = first > 0 ? source_of(dwarf_onesrcline(lines, first - 1)) : "";
  bool began = false;
  Dwarf_Line *last = nullptr, *statement = nullptr;
  for (size_t i = first; i <= at; ++i) {
    Dwarf_Line* line = dwarf_onesrcline(lines, i);
    bool begins = false;
    if (dwarf_linebeginstatement(line, &begins) != 0) continue;
    const bool changed = source_of(line) != file;
    if (!changed || begins || !began) {
      if (changed) statement = nullptr;
      file = source_of(line);
      last = line;
      if (begins) statement = line;
    }
    began = began || begins;
  }
  return statement != nullptr ? statement : last;
}

}  // namespace

// The row of the call: at the last address at or before it, the one that gdb shows. That may be a
// row of an inlined call that left no instruction, of a header or of a function above. The last row
// of the address is the instruction's own, as addr2line has it: in the function's own file it is
// kept too.
void DwarfNames::State::line_at(Unit& unit, Dwarf_Die* function, uint64_t address,
                                DwarfFrame& frame) {
  Dwarf_Lines* lines = nullptr;
  size_t count = 0;
  if (dwarf_getsrclines(&unit.die, &lines, &count) != 0 || count == 0) return;
  const auto address_of = [&](size_t i) {
    Dwarf_Addr value = 0;
    return dwarf_lineaddr(dwarf_onesrcline(lines, i), &value) == 0 ? value : 0;
  };
  size_t low = 0, high = count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (address_of(middle) <= address)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0) return;
  const size_t at = low - 1;
  bool ends = false;
  if (dwarf_lineendsequence(dwarf_onesrcline(lines, at), &ends) == 0 && ends) return;
  Dwarf_Line* last = dwarf_onesrcline(lines, at);
  Dwarf_Line* shown = shown_row(lines, at);
  if (shown == nullptr) shown = last;
  int number = 0;
  if (dwarf_lineno(shown, &number) == 0 && number > 0) frame.line = static_cast<uint32_t>(number);
  if (!source_of(shown).empty()) frame.file = full_path(&unit.die, source_of(shown).data());
  const char* home = dwarf_decl_file(function);
  if (home == nullptr || shown == last || source_of(last) != home) return;
  if (dwarf_lineno(last, &number) != 0 || number <= 0) return;
  frame.home_line = static_cast<uint32_t>(number);
  frame.home_file = full_path(&unit.die, home);
}

void DwarfNames::State::call_of(Unit& unit, Dwarf_Die* inlined, DwarfFrame& caller) {
  caller.line = static_cast<uint32_t>(number_of(inlined, DW_AT_call_line).value_or(0));
  const auto number = number_of(inlined, DW_AT_call_file);
  Dwarf_Files* files = nullptr;
  size_t count = 0;
  if (!number || dwarf_getsrcfiles(&unit.die, &files, &count) != 0 || *number >= count) return;
  const char* file = dwarf_filesrc(files, *number, nullptr, nullptr);
  if (file != nullptr) caller.file = full_path(&unit.die, file);
}

bool DwarfNames::State::frames_in(Unit& unit, uint64_t address, std::vector<DwarfFrame>& frames) {
  auto function = function_at(unit, address);
  if (!function) return false;
  // From the function inwards: each inlined call that covers the address.
  std::vector<Dwarf_Die> chain = {*function};
  Dwarf_Die parent = *function, child;
  for (unsigned depth = 0; depth < kDepthCap && dwarf_child(&parent, &child) == 0; ++depth) {
    bool entered = false;
    do {
      const int tag = dwarf_tag(&child);
      if ((tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block) ||
          !covers(&child, address))
        continue;
      if (tag == DW_TAG_inlined_subroutine) chain.push_back(child);
      parent = child;
      entered = true;
      break;
    } while (dwarf_siblingof(&child, &child) == 0);
    if (!entered) break;
  }
  for (size_t i = chain.size(); i-- > 0;) {
    DwarfFrame frame;
    frame.language = unit.language;
    frame.inlined = i > 0;
    frame.function = name(&chain[i]);
    if (i + 1 == chain.size())
      line_at(unit, &chain[i], address, frame);
    else
      call_of(unit, &chain[i + 1], frame);
    frames.push_back(std::move(frame));
  }
  return true;
}

DwarfNames::DwarfNames(std::unique_ptr<State> state) : x_state(std::move(state)) {}
DwarfNames::~DwarfNames() = default;

std::unique_ptr<DwarfNames> DwarfNames::open(Bytes file) {
  if (file.empty() || elf_version(EV_CURRENT) == EV_NONE) return nullptr;
  auto state = std::make_unique<State>();
  auto* start =
      const_cast<char*>(reinterpret_cast<const char*>(file.data()));  // libelf's signature
  state->elf = elf_memory(start, file.size());
  if (state->elf == nullptr) return nullptr;
  state->dwarf = dwarf_begin_elf(state->elf, DWARF_C_READ, nullptr);
  if (state->dwarf == nullptr) return nullptr;
  state->read_units();
  if (state->units.empty()) return nullptr;
  return std::unique_ptr<DwarfNames>(new DwarfNames(std::move(state)));
}

std::vector<DwarfFrame> DwarfNames::frames_at(uint64_t address) {
  std::vector<DwarfFrame> frames;
  const auto& ranges = x_state->unit_ranges;
  auto at =
      std::upper_bound(ranges.begin(), ranges.end(), address,
                       [](uint64_t value, const auto& range) { return value < range.first.start; });
  for (int tries = 0; at != ranges.begin() && tries < 64; ++tries) {
    --at;
    if (address >= at->first.end) continue;
    if (x_state->frames_in(x_state->units[at->second], address, frames)) return frames;
    if (tries > 8) break;
  }
  return frames;
}

}  // namespace unclosed
