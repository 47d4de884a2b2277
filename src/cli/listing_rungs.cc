#include "cli/listing_rungs.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "cli/crew.h"
#include "collect/bpf/listing_side.h"
#include "collect/procfs/descriptor_table.h"
#include "collect/sockdiag/sockdiag.h"

namespace unclosed {
namespace {

constexpr size_t kPartSize = 2048;  // descriptors read by one thread at a stretch
constexpr size_t kMostExpected = 1 << 24;

bool has_path(const ListedDescriptor& one) {
  return !one.socket && one.thread == 0 &&
         (one.kind == Kind::kFile || one.kind == Kind::kFifo || one.kind == Kind::kMemfd ||
          one.kind == Kind::kOther);
}

// ---- by an iterator in the kernel

class BpfReader : public ListingReader {
 public:
  explicit BpfReader(ListingSide side) : x_side(std::move(side)) {}

  void read(Listing& listing, ListingNames names) override {
    Crew crew;
    for (ListedProcess& process : listing.processes) {
      crew.add([this, &process, names] {
        const auto listed = x_side.list(process);
        if (!listed) process.obstacle = listed.error().context;
        // Seen of a sandbox's own first process: the iterator leaves it out, and says nothing.
        if (listed && process.descriptors.empty() && process.nofile && process.nofile->used > 0) {
          process.obstacle = "the kernel's iterator does not show its descriptors";
        }
        if (listed && names == ListingNames::kRead) name_files(process);
      });
    }
    crew.work();
  }

 private:
  static void name_files(ListedProcess& process) {
    const auto table = DescriptorTable::open(process.id);
    if (!table) return;  // it may be listed, but not looked into
    for (ListedDescriptor& one : process.descriptors) {
      if (!has_path(one)) continue;
      const auto link = table->link(one.fd);
      if (!link || !*link) continue;
      process.names.push_back(**link);
      one.name = static_cast<uint32_t>(process.names.size());
    }
  }

  ListingSide x_side;
};

// ---- by /proc and the kernel's lists of sockets

// One network namespace, and who of the processes is in it.
struct Neighbourhood {
  std::vector<ListedProcess*> processes;
  std::optional<SocketTable> sockets;
  std::string obstacle;
};

class ProcReader : public ListingReader {
 public:
  void read(Listing& listing, ListingNames names) override {
    x_names = names == ListingNames::kRead ? DescriptorTable::Names::kRead
                                           : DescriptorTable::Names::kSkip;
    std::map<uint64_t, Neighbourhood> neighbourhoods;
    for (ListedProcess& process : listing.processes) {
      struct stat status {};
      const auto place = fmt::format("/proc/{}/ns/net", process.id.pid);
      const uint64_t number = ::stat(place.c_str(), &status) == 0 ? status.st_ino : 0;
      neighbourhoods[number].processes.push_back(&process);
    }
    // What we may not look into has, as a rule, no descriptors to join sockets to either.
    Neighbourhood hidden;
    if (auto found = neighbourhoods.extract(0)) hidden = std::move(found.mapped());
    hidden.obstacle = "its network namespace cannot be seen";
    for (ListedProcess* process : hidden.processes) add_table(*process);
    Crew& crew = x_crew;
    for (auto& [number, one] : neighbourhoods) {
      crew.add([&one = one] { dump(one); });
      for (ListedProcess* process : one.processes) add_table(*process);
    }
    crew.work();
    for (auto& [number, one] : neighbourhoods) {
      for (ListedProcess* process : one.processes) {
        crew.add([this, &one = one, process] { join(*process, one); });
      }
    }
    for (ListedProcess* process : hidden.processes) join(*process, hidden);
    crew.work();
    look_again(neighbourhoods);
    for (const auto& [number, one] : neighbourhoods) tell(one, listing);
  }

 private:
  struct Reading {
    std::optional<DescriptorTable> table;
    std::vector<DescriptorTable::Part> parts;
  };

  void add_table(ListedProcess& process) {
    Reading& reading = x_readings[&process];
    x_crew.add([this, &process, &reading] {
      auto table = DescriptorTable::open(process.id);
      if (!table) {
        process.obstacle = table.error().context;
        return;
      }
      reading.table.emplace(*std::move(table));
      reading.parts.resize(1 + std::min(reading.table->expected(), kMostExpected) / kPartSize);
      for (size_t i = 0; i < reading.parts.size(); ++i) {
        x_crew.add([this, &process, &reading, i] {
          const auto first = static_cast<int>(i * kPartSize);
          const bool open_end = i + 1 == reading.parts.size();
          const int last = open_end ? DescriptorTable::kEnd : first + static_cast<int>(kPartSize);
          auto part = reading.table->read(first, last, x_names);
          if (part) {
            reading.parts[i] = *std::move(part);
          } else {
            const std::lock_guard lock(x_guard);
            process.obstacle = part.error().context;
          }
        });
      }
    });
  }

  static void dump(Neighbourhood& one) {
    const ListedProcess& any = *one.processes.front();
    const auto diag = SockDiag::open(any.id);
    auto table = diag ? diag->table() : Result<SocketTable>(diag.error());
    if (!table) {
      // Anybody may read the lists of another namespace as text, which is slower and tells no
      // times.
      auto text = socket_table_of_proc(any.id.pid);
      if (!text) {
        one.obstacle = table.error().context;
        return;
      }
      table = std::move(text);
    }
    one.sockets.emplace(*std::move(table));
  }

  static void fill(ListedDescriptor& one, const BriefSocket& socket, const SocketTable& sockets,
                   ListedProcess& process) {
    one.kind = socket.kind;
    one.state = socket.state;
    one.unlisted = false;
    one.has_queues = true;
    one.recv_queue = socket.recv_queue;
    one.send_queue = socket.send_queue;
    one.idle_ms = socket.idle_ms;
    one.older_ms = socket.older_ms;
    one.local = socket.local;
    one.peer = socket.peer;
    if (socket.kind != Kind::kUnix) return;
    const std::string& name = sockets.name_of(socket);
    if (name.empty()) return;
    process.names.push_back(name);
    one.name = static_cast<uint32_t>(process.names.size());
  }

  void join(ListedProcess& process, const Neighbourhood& neighbourhood) {
    Reading& reading = x_readings.at(&process);
    size_t count = 0;
    for (const auto& part : reading.parts) count += part.descriptors.size();
    process.descriptors.reserve(count);
    for (auto& part : reading.parts) {
      const auto names_before = static_cast<uint32_t>(process.names.size());
      std::move(part.names.begin(), part.names.end(), std::back_inserter(process.names));
      for (ListedDescriptor& one : part.descriptors) {
        if (one.name != 0) one.name += names_before;
        process.descriptors.push_back(one);
      }
    }
    reading.parts.clear();
    if (!neighbourhood.sockets) {
      process.sockets_obstacle = neighbourhood.obstacle;
      return;
    }
    for (ListedDescriptor& one : process.descriptors) {
      if (!one.socket) continue;
      if (const auto* found = neighbourhood.sockets->find(one.inode)) {
        fill(one, *found, *neighbourhood.sockets, process);
        continue;
      }
      const auto protocol = reading.table->protocol(one.fd);
      if (protocol) one.kind = kind_of_protocol(*protocol);
      one.unlisted = one.kind == Kind::kTcp;
      if (one.unlisted) one.state = TcpState::kClose;
    }
  }

  // A socket may have been made after the lists were read, and is then in no list only to us.
  void look_again(std::map<uint64_t, Neighbourhood>& neighbourhoods) {
    for (auto& [number, one] : neighbourhoods) {
      const bool any =
          std::any_of(one.processes.begin(), one.processes.end(), [](const ListedProcess* process) {
            return std::any_of(process->descriptors.begin(), process->descriptors.end(),
                               [](const ListedDescriptor& it) { return it.unlisted; });
          });
      if (!any || !one.sockets) continue;
      Neighbourhood fresh{one.processes, std::nullopt, {}};
      dump(fresh);
      if (!fresh.sockets) continue;
      for (ListedProcess* process : one.processes) {
        for (ListedDescriptor& it : process->descriptors) {
          const auto* found = it.unlisted ? fresh.sockets->find(it.inode) : nullptr;
          if (found != nullptr) fill(it, *found, *fresh.sockets, *process);
        }
      }
    }
  }

  static void tell(const Neighbourhood& one, Listing& listing) {
    if (one.sockets) {
      for (const std::string& note : one.sockets->notes()) listing.notes.push_back(note);
    } else if (!one.obstacle.empty()) {
      listing.notes.push_back(
          fmt::format("sockets of {} processes in another network namespace have no state: {}",
                      one.processes.size(), one.obstacle));
    }
  }

  DescriptorTable::Names x_names = DescriptorTable::Names::kSkip;
  std::map<const ListedProcess*, Reading> x_readings;
  std::mutex x_guard;
  Crew x_crew;
};

}  // namespace

Result<std::unique_ptr<ListingReader>> choose_rung(ListingRung asked, Listing& listing) {
  if (asked != ListingRung::kProc) {
    auto side = ListingSide::load();
    if (side) {
      listing.rung = "bpf";
      return std::unique_ptr<ListingReader>(std::make_unique<BpfReader>(*std::move(side)));
    }
    if (asked == ListingRung::kBpf) return side.error();
    listing.rung_reason = side.error().kind == ErrorKind::kDenied
                              ? "the bpf rung needs root, or CAP_BPF and CAP_PERFMON"
                              : side.error().context;
  }
  listing.rung = "proc";
  return std::unique_ptr<ListingReader>(std::make_unique<ProcReader>());
}

}  // namespace unclosed
