#include "symbolize/symbolizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "symbolize/debug_file.h"
#include "symbolize/dwarf_names.h"
#include "symbolize/plain_name.h"
#include "symbolize/symbol_table.h"

namespace unclosed {
namespace {

constexpr size_t kCacheCap = 1'000'000;  // addresses; beyond it the cache starts anew

// Instances of generic functions are one function to a person, as in Go's own tracebacks.
std::string plain_go(std::string_view name) {
  const size_t open = name.find('['), close = name.rfind(']');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return std::string(name);
  return std::string(name.substr(0, open)) + "[...]" + std::string(name.substr(close + 1));
}

bool shows_wrappers(std::string_view callee) {
  return callee == "runtime.gopanic" || callee == "runtime.sigpanic" ||
         callee == "runtime.panicwrap";
}

// Of Go: faults and preemption by a signal interrupt anywhere, and go on at that instruction. It may
// be the first of its function.
bool interrupts(std::string_view function) {
  return function == "runtime.sigpanic" || function == "runtime.asyncPreempt";
}

// With `debug = "line-tables-only"` rustc leaves a function the last part of its name alone, and
// every async function is `{async_fn#0}`. The symbol has the whole, but of an inlined call there is
// none: of that the file tells the module.
std::string whole_rust(const DwarfFrame& call, std::optional<std::string_view> symbol) {
  const std::string& name = call.function;
  if (call.language != Language::kRust || name.empty() || name.find("::") != std::string::npos)
    return name;
  std::string whole = call.inlined || !symbol ? "" : plain_rust(*symbol);
  // Functions of the same code may share one address, and a symbol.
  if (whole.ends_with("::" + name) || (name.starts_with('{') && whole.ends_with('}'))) return whole;
  const std::string module = rust_module(call.file);
  return module.empty() ? name : module + "::" + name;
}

// What std has in a Rust program without mangling: `main`, which calls the user's, among it.
bool of_rust_std(std::string_view function) {
  return function == "main" || function.starts_with("rust_") || function.starts_with("__rust");
}

}  // namespace

struct Symbolizer::Names {
  bool looked = false;  // for DWARF and symbols
  std::unique_ptr<DwarfNames> dwarf;
  std::unique_ptr<SymbolTable> symbols;
  std::string go_root;  // where Go's standard library lay
  // Of Rust's, looked for when a frame needs them.
  bool looked_for_crate = false;
  std::string crate;
  bool rust_main = false;  // a Rust program, and not a library that another one holds

  void look(Module& module) {
    if (looked) return;
    looked = true;
    dwarf = DwarfNames::open(module.mapped.bytes());
    if (!dwarf && !module.go) {
      if (module.debug.bytes().empty()) module.debug = fetch_debug_file(module.build_id);
      dwarf = DwarfNames::open(module.debug.bytes());
    }
    symbols = std::make_unique<SymbolTable>(module.elf, module.debug.bytes());
  }

  void look_for_crate(const Module& module) {
    if (looked_for_crate) return;
    looked_for_crate = true;
    const auto mains = symbols->rust_mains();
    crate = rust_program(module.path, mains);
    rust_main = !mains.empty();
  }
};

Symbolizer::Symbolizer(ModuleStore& modules, OwnRules rules)
    : x_modules(modules), x_rules(std::move(rules)) {}
Symbolizer::~Symbolizer() = default;

Symbolizer::Names& Symbolizer::names_of(ModuleId id, Module& module) {
  auto& names = x_names[id];
  if (names) return *names;
  names = std::make_unique<Names>();
  if (module.go) {
    constexpr std::string_view kOwn = "runtime/proc.go";
    const auto main = module.go->function_address("runtime.main");
    const auto frames = main ? module.go->frames_at(*main, "") : std::vector<GoFrame>();
    if (!frames.empty() && frames.back().file.ends_with(kOwn))
      names->go_root = frames.back().file.substr(0, frames.back().file.size() - kOwn.size());
  }
  return *names;
}

void Symbolizer::name_go(Module& module, Names& names, uint64_t address, std::string_view callee,
                         std::vector<NamedFrame>& frames) {
  for (const GoFrame& call : module.go->frames_at(address, callee)) {
    NamedFrame frame;
    frame.function = plain_go(call.function);
    frame.file = std::string(call.file);
    frame.line = call.line;
    frame.inlined = call.inlined;
    const GoModule* dependency = go_dependency(module.go->build(), go_package(call.function));
    frame.module = dependency != nullptr ? dependency->path : module.name;
    frame.own = own_go({call.function, call.file, &module.go->build(), names.go_root});
    frames.push_back(std::move(frame));
  }
}

void Symbolizer::name_native(Module& module, Names& names, uint64_t address,
                             std::vector<NamedFrame>& frames) {
  names.look(module);
  NativeFrame own;
  own.module_path = module.path;
  own.executable = module.executable;
  own.has_debug = names.dwarf != nullptr;
  const auto add = [&](NamedFrame frame, Language language) {
    frame.module = module.name;
    own.function = frame.function;
    own.file = frame.file;
    own.language = language;
    frame.own = own_native(own);
    frames.push_back(std::move(frame));
  };
  const auto calls = names.dwarf ? names.dwarf->frames_at(address) : std::vector<DwarfFrame>();
  for (const DwarfFrame& call : calls) {
    NamedFrame frame;
    frame.function = whole_rust(call, names.symbols->symbol_at(address));
    if (frame.function.empty())
      frame.function = names.symbols->name_at(address).value_or("[unknown]");
    frame.file = call.file;
    frame.line = call.line;
    frame.inlined = call.inlined;
    // Of the user's own function the instruction's own line in its own file is of use; of others
    // what a debugger shows.
    if (!call.home_file.empty()) {
      own.function = frame.function;
      own.file = call.home_file;
      own.language = call.language;
      if (own_native(own)) {
        frame.file = call.home_file;
        frame.line = call.home_line;
      }
    }
    add(std::move(frame), call.language);
  }
  if (!frames.empty()) return;
  NamedFrame frame;
  const auto symbol = names.symbols->symbol_at(address);
  frame.function = symbol ? plain_symbol(*symbol) : fmt::format("[unknown]+0x{:x}", address);
  const auto crates = symbol ? rust_crates(*symbol) : std::vector<std::string>();
  bool rust = !crates.empty();
  if (rust || of_rust_std(frame.function)) {
    names.look_for_crate(module);
    rust = rust || names.rust_main;
    own.crates = crates;
    own.program_crate = names.crate;
  }
  add(std::move(frame), rust ? Language::kRust : Language::kOther);
  // With the build id the address can be named elsewhere.
  if (frames.back().function.starts_with("[unknown]") && !module.build_id.empty())
    frames.back().module += fmt::format(" [build id {}]", module.build_id);
}

std::vector<NamedFrame> Symbolizer::look_up(ModuleId id, uint64_t address,
                                            std::string_view callee) {
  std::vector<NamedFrame> frames;
  Module* module = x_modules.find(id);
  if (module == nullptr) {
    NamedFrame frame;
    frame.function = fmt::format("{}+0x{:x}", id == kNoModule ? "[jit]" : "[unknown]", address);
    frames.push_back(std::move(frame));
    return frames;
  }
  Names& names = names_of(id, *module);
  bool go = false;
  if (module->go) {
    const auto [start, end] = module->go->text_range();
    go = address >= start && address < end;
    if (go) name_go(*module, names, address, callee, frames);
  }
  // A Go address without frames is a wrapper, which is not shown, or outside of every function.
  if (frames.empty() && !(go && module->go->table().find(address - module->go->text())))
    name_native(*module, names, address, frames);
  for (NamedFrame& frame : frames) {
    const auto said = own_by_pattern(x_rules, frame.function, frame.file, frame.module);
    if (said) frame.own = *said;
  }
  return frames;
}

std::vector<NamedFrame> Symbolizer::name_address(ModuleId module, ElfAddr address,
                                                 std::string_view callee) {
  // Only panics make the answer depend on the callee.
  if (shows_wrappers(callee)) return look_up(module, address.value, callee);
  const std::pair<ModuleId, uint64_t> key(module, address.value);
  const auto known = x_cache.find(key);
  if (known != x_cache.end()) return known->second;
  if (x_cache.size() >= kCacheCap) x_cache.clear();
  return x_cache.emplace(key, look_up(module, address.value, callee)).first->second;
}

NamedStack Symbolizer::name(const RawStack& stack) {
  NamedStack named;
  named.truncated = stack.truncated;
  for (size_t i = 0; i < stack.frames.size(); ++i) {
    const Frame& raw = stack.frames[i];
    uint64_t address = raw.address.value;
    const std::string callee = named.frames.empty() ? "" : named.frames.back().function;
    // The call lies before the return address.
    if (i > 0 && address > 0 && !interrupts(callee)) --address;
    auto frames = name_address(raw.module, ElfAddr{address}, callee);
    // The signal trampoline is returned to at its first byte: nothing called from before it.
    if (i > 0 && frames.size() == 1 && frames.front().function.starts_with("[unknown]")) {
      frames = name_address(raw.module, raw.address, callee);
    }
    named.frames.insert(named.frames.end(), std::make_move_iterator(frames.begin()),
                        std::make_move_iterator(frames.end()));
    named.places.resize(named.frames.size(), raw);
  }
  if (stack.started.module != kNoModule && stack.started.address.value > 0) {
    named.started =
        name_address(stack.started.module, ElfAddr{stack.started.address.value - 1}, {});
  }
  return named;
}

}  // namespace unclosed
