#include "symbolize/handouts.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "symbolize/go_prologue.h"

namespace unclosed {
namespace {

struct Entry {
  std::string_view function;
  int oldest = 0, newest = 0;  // minor releases of Go
  std::vector<std::vector<int32_t>> paths;
  std::vector<std::string_view> askers;
  std::string_view why;
};

// The last three steps of each path: the pointer in the interface to *net.TCPConn (or *UnixConn),
// its first word, a *netFD, and in that poll.FD.Sysfd. The receiver is in rax (register ABI, 1.17).
const std::vector<Entry>& table() {
  static const std::vector<Entry> kTable = {
      // persistConn.conn is at 80, its data word at 88; through TLS its first field, net.Conn
      // again.
      {"net/http.(*persistConn).roundTrip",
       18,
       kNewestGo,
       {{88, 0, 16}, {88, 8, 0, 16}},
       {"net/http.(*persistConn).writeLoop", "net/http.(*Transport).dialConnFor"},
       "net/http dials and sends requests from goroutines of its own"},
  };
  return kTable;
}

using Functions = std::unordered_map<std::string_view, GoFunction>;

// Where the functions of the table are, in one pass over all names.
Functions find_functions(const GoBinary& binary) {
  Functions found;
  for (const Entry& entry : table()) {
    found.try_emplace(entry.function);
    for (const auto asker : entry.askers) found.try_emplace(asker);
  }
  const GoPclntab& functions = binary.table();
  for (uint64_t i = 0; i < functions.function_count(); ++i) {
    const auto function = functions.function(i);
    if (!function) continue;
    const auto wanted = found.find(function->name);
    if (wanted != found.end()) wanted->second = *function;
  }
  std::erase_if(found, [](const auto& entry) { return entry.second.end == 0; });
  return found;
}

void place(Handout& handout, const Entry& entry, const GoFunction& function, const GoBinary& binary,
           const ElfFile& elf) {
  const std::string& version = binary.build().version;
  const auto minor = go_minor(version);
  if (!minor || *minor < entry.oldest || *minor > entry.newest) {
    handout.refused = fmt::format("Go release '{}' is not known", version);
    return;
  }
  const uint64_t address = binary.text() + function.entry;
  const auto bytes = elf.at_address(address);
  const auto body = bytes ? slice(*bytes, 0, function.end - function.entry) : std::nullopt;
  const auto offset = body ? go_probe_offset(*body) : std::nullopt;
  if (offset) {
    handout.probe = ElfAddr{address + *offset};
  } else {
    handout.refused = "unknown prologue";
  }
}

}  // namespace

std::vector<Handout> find_handouts(const GoBinary& binary, const ElfFile& elf) {
  std::vector<Handout> handouts;
  const Functions functions = find_functions(binary);
  for (const Entry& entry : table()) {
    const auto function = functions.find(entry.function);
    if (function == functions.end()) continue;
    Handout handout;
    handout.function = entry.function;
    handout.why = entry.why;
    handout.paths = entry.paths;
    for (const auto name : entry.askers) {
      const auto asker = functions.find(name);
      if (asker == functions.end()) continue;
      handout.askers.emplace_back(ElfAddr{binary.text() + asker->second.entry},
                                  ElfAddr{binary.text() + asker->second.end});
    }
    place(handout, entry, function->second, binary, elf);
    handouts.push_back(std::move(handout));
  }
  return handouts;
}

}  // namespace unclosed
