#include "collect/golang/go_process.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "collect/golang/find_goroutines.h"
#include "collect/golang/memory_scan.h"

namespace unclosed {
namespace {

constexpr uint64_t kMostOfARange = uint64_t{1} << 36;
constexpr size_t kMostReasons = 64, kLongestReason = 64;
constexpr size_t kMostPlaces = 1024;  // that look like the runtime's words

Error not_readable(std::string what) {
  return {ErrorKind::kUnsupported, std::move(what), "UC-E031"};
}

// The runtime's words at an address; the array ends where no text follows.
std::vector<std::string> reasons_at(RemoteMemory& memory, uint64_t address) {
  struct Header {
    uint64_t text = 0, size = 0;
  };
  std::vector<std::string> reasons;
  for (size_t i = 0; i < kMostReasons; ++i) {
    const auto header = memory.load<Header>(address + i * sizeof(Header));
    if (!header || !*header || (*header)->size > kLongestReason) break;
    const auto text = memory.text((*header)->text, (*header)->size, kLongestReason);
    if (!text || !*text) break;
    if (i > 0 && (**text).empty()) break;
    const auto plain = [](char c) { return c >= ' ' && c <= '~'; };
    if (!std::all_of((**text).begin(), (**text).end(), plain)) break;
    reasons.push_back(std::move(**text));
  }
  return reasons;
}

bool are_reasons(const std::vector<std::string>& words) {
  return words.size() > 20 && words[0].empty() && words[1] == "GC assist marking" &&
         words[2] == "IO wait";
}

}  // namespace

Result<GoProcess> GoProcess::open(const ProcessId& process, CodeSource& code, ProcFs proc) {
  auto memory = RemoteMemory::open(process);
  if (!memory) return memory.error();
  return open(std::move(*memory), code, std::move(proc));
}

Result<GoProcess> GoProcess::open(RemoteMemory memory, CodeSource& code, ProcFs proc) {
  GoProcess opened(std::move(memory), code, std::move(proc));
  const auto found = opened.find_module();
  if (!found) return found.error();
  const auto still = opened.still_there();
  if (!still) return still.error();
  return opened;
}

Status GoProcess::still_there() const {
  const auto now = x_proc.identify(process().pid);
  if (!now) return now.error();
  if (*now == process()) return {};
  return Error{ErrorKind::kGone, fmt::format("process {} has ended", process().pid), {}};
}

Status GoProcess::find_module() {
  const auto mappings = x_proc.mappings(process());
  if (!mappings) return mappings.error();
  std::set<uint64_t> seen;
  std::optional<Error> unread;
  for (const Mapping& mapping : *mappings) {
    if (!mapping.executable || mapping.path.empty() || mapping.path.front() != '/') continue;
    if (!seen.insert(mapping.inode).second) continue;
    const auto module = x_code->open_module(process(), mapping);
    if (!module) {
      if (!unread) unread = module.error();
      continue;
    }
    const auto bias = x_code->bias(*module, mapping);
    const auto& go = x_code->code(*module).go;
    if (go && bias) return take_module(*module, *bias, *go);
  }
  if (unread) return *unread;
  return not_readable(fmt::format("process {} is not a Go program", process().pid));
}

Status GoProcess::take_module(ModuleId module, uint64_t bias, const GoLayout& layout) {
  x_module = module;
  x_bias = bias;
  x_version = layout.version;
  if (!layout.runtime) {
    return not_readable(fmt::format("process {} was built by Go '{}', whose layout is not known",
                                    process().pid, layout.version));
  }
  if (!layout.module_data) {
    return not_readable(
        fmt::format("the description of its own code was not found in the Go binary of process {}",
                    process().pid));
  }
  x_layout = *layout.runtime;
  x_text = {to_process(layout.text.first), to_process(layout.text.second)};
  auto done = read_module_data(to_process(*layout.module_data));
  if (done) done = find_all_goroutines(layout);
  if (!done) return done;
  read_wait_reasons();
  return {};
}

Status GoProcess::read_module_data(uint64_t address) {
  const auto range = [&](uint32_t offset, AddressRange& into) -> Status {
    const auto read = x_memory.load<AddressRange>(address + offset);
    if (!read) return read.error();
    if (!*read || (*read)->end < (*read)->start || (*read)->size() > kMostOfARange) {
      return not_readable(
          fmt::format("the Go module of process {} is not described where {} has it", process().pid,
                      x_version));
    }
    into = **read;
    return {};
  };
  for (auto [offset, into] : {std::pair{x_layout.module_noptrdata, &x_variables.noptrdata},
                              {x_layout.module_data, &x_variables.data},
                              {x_layout.module_bss, &x_variables.bss},
                              {x_layout.module_noptrbss, &x_variables.noptrbss},
                              {x_layout.module_types, &x_types}}) {
    const auto read = range(offset, *into);
    if (!read) return read;
  }
  x_module_data = address;
  const auto next = x_memory.load<uint64_t>(address + x_layout.module_next);
  if (next && next->value_or(0) != 0)
    x_notes.push_back("code of plugins is shown by address only: just the main module is read");
  return {};
}

template <class T>
std::vector<T> GoProcess::module_list(uint32_t offset) {
  constexpr uint64_t kMost = 1 << 22;
  const auto slice = x_memory.load<GoSlice>(x_module_data + offset);
  if (!slice || !*slice || (*slice)->length > kMost) return {};
  std::vector<T> list((*slice)->length);
  const auto got = x_memory.read((*slice)->data, std::as_writable_bytes(std::span(list)));
  return got && *got ? list : std::vector<T>();
}

std::vector<int32_t> GoProcess::type_links() {
  return module_list<int32_t>(x_layout.module_type_links);
}

std::vector<uint64_t> GoProcess::method_tables() {
  return module_list<uint64_t>(x_layout.module_itab_links);
}

std::optional<uint64_t> GoProcess::symbol(std::string_view name) const {
  const auto address = x_code->symbol(x_module, name);
  if (!address) return std::nullopt;
  return to_process(*address);
}

std::vector<std::optional<AddressRange>> GoProcess::functions(
    std::span<const std::string_view> names) const {
  std::vector<std::optional<AddressRange>> found;
  for (const auto& one : x_code->go_functions(x_module, names)) {
    found.push_back(
        one ? std::optional(AddressRange{to_process(one->first), to_process(one->second)})
            : std::nullopt);
  }
  return found;
}

// By symbol, by the code that adds to the list, by content. The first is the linker's own word;
// where there is none, the other two must say the same.
Status GoProcess::find_all_goroutines(const GoLayout& layout) {
  const auto by_symbol = symbol("runtime.allgs");
  const auto by_code =
      layout.all_goroutines ? std::optional(to_process(*layout.all_goroutines)) : std::nullopt;
  const auto refuse = [&](std::string_view why) {
    return not_readable(fmt::format(
        "the list of goroutines of process {} was not found for certain: {}", process().pid, why));
  };
  if (by_symbol && by_code && *by_symbol != *by_code)
    return refuse("its symbol and the code that uses it differ");
  if (by_symbol) return check(*by_symbol);
  const auto by_content =
      scan_for_goroutines(x_memory, x_layout, {x_variables.data, x_variables.bss});
  if (!by_content) return by_content.error();
  if (by_content->empty()) return refuse("nothing in its variables looks like one");
  if (by_code) {
    if (!std::binary_search(by_content->begin(), by_content->end(), *by_code))
      return refuse("its content and the code that uses it differ");
    return check(*by_code);
  }
  if (by_content->size() > 1) return refuse("several variables look like it");
  return check(by_content->front());
}

Status GoProcess::check(uint64_t all) {
  const auto fault = check_goroutines(x_memory, x_layout, all);
  if (!fault) return fault.error();
  if (*fault) {
    return not_readable(
        fmt::format("the goroutines of process {} are not laid out as {} has them: {}",
                    process().pid, x_version, **fault));
  }
  x_all = all;
  return {};
}

void GoProcess::read_wait_reasons() {
  if (const auto at = symbol("runtime.waitReasonStrings")) x_reasons = reasons_at(x_memory, *at);
  if (are_reasons(x_reasons)) return;
  x_reasons.clear();
  // By content: no text, then two of known lengths.
  std::vector<uint64_t> places;
  const auto scanned =
      scan_words(x_memory, x_variables.data.start, x_variables.data.end, 6,
                 [&](uint64_t address, std::span<const uint64_t> words) {
                   for (size_t i = 0; i + 6 <= words.size(); ++i) {
                     if (words[i] == 0 && words[i + 1] == 0 && words[i + 3] == 17 &&
                         words[i + 5] == 7 && places.size() < kMostPlaces)
                       places.push_back(address + i * 8);
                   }
                 });
  for (const uint64_t place : places) {
    auto reasons = reasons_at(x_memory, place);
    if (scanned && are_reasons(reasons)) {
      x_reasons = std::move(reasons);
      return;
    }
  }
  x_notes.push_back("the runtime's words for what goroutines wait for were not found");
}

}  // namespace unclosed
