#include "collect/seccomp/numbers.h"

#include <sys/syscall.h>

#include <algorithm>

namespace unclosed {
namespace {

constexpr size_t kMostProcesses = 256, kMostThreads = 256;
// Of a table so many numbers are looked at for one opening.
constexpr int kMostLooks = 256;

bool gives_two(int number) {
  return number == __NR_pipe || number == __NR_pipe2 || number == __NR_socketpair;
}
bool accepts(int number) { return number == __NR_accept || number == __NR_accept4; }
bool gives_socket(int number) { return number == __NR_socket || number == __NR_socketpair; }

}  // namespace

bool Numbers::settle(const Call& call, const Opening& opening, std::vector<Call>& given) const {
  const size_t before = given.size();
  for (const int fd : opening.numbers) {
    if (fd < 0) continue;
    Call gave;
    gave.on = fd == call.fd && call.on.known ? call.on : x_look(call.process, fd);
    if (!gave.on.known) continue;
    gave.kind = CallKind::kGave;
    gave.thread = opening.thread;
    gave.process = call.process;
    gave.at = opening.at;
    gave.fd = fd;
    given.push_back(std::move(gave));
  }
  return given.size() > before;
}

// What was under way before this call. False: something may still be.
bool Numbers::settle_others(const Call& call, bool opens, Table& table,
                            std::vector<Call>& given) const {
  const auto names = [&](const Opening& one) {
    return call.fd >= 0 && (one.numbers[0] == call.fd || one.numbers[1] == call.fd);
  };
  bool clear = true;
  std::erase_if(table.under_way, [&](Opening& one) {
    const bool own = one.thread == call.thread;
    if (!own && !opens && !names(one)) return false;
    if (settle(call, one, given) || own || !x_busy(one.thread)) return true;
    one.numbers = {-1, -1};  // it and this one may take each other's
    clear = false;
    return false;
  });
  return clear;
}

// -1: it cannot be told.
int Numbers::lowest_free(uint32_t process, Table& table, int from) const {
  for (int fd = from; fd < from + kMostLooks; ++fd) {
    if (!x_look(process, fd).known) return fd;
    const bool closing =
        std::any_of(table.closing.begin(), table.closing.end(), [&](const auto& entry) {
          return entry.second == fd && x_busy(entry.first);
        });
    if (closing) return -1;
    if (fd == table.lowest) ++table.lowest;
  }
  return -1;
}

std::array<int, 2> Numbers::expected(const Call& call, uint64_t third, Table& table) const {
  if (call.number == __NR_dup2 || call.number == __NR_dup3) {
    return {static_cast<int>(call.arguments[1]), -1};
  }
  const int least = call.number == __NR_fcntl ? static_cast<int>(third) : 0;
  const int first = lowest_free(call.process, table, std::max(least, table.lowest));
  if (first < 0 || !gives_two(call.number)) return {first, -1};
  return {first, lowest_free(call.process, table, first + 1)};
}

std::vector<Call> Numbers::note(const Call& call, uint64_t third) {
  std::vector<Call> given;
  if (x_tables.size() >= kMostProcesses && !x_tables.contains(call.process)) x_tables.clear();
  Table& table = x_tables[call.process];
  table.closing.erase(call.thread);
  table.accepting.erase(call.thread);
  const bool opens = (call.kind == CallKind::kOpens && !accepts(call.number)) ||
                     (call.kind == CallKind::kCopies && call.on.known);
  bool clear = settle_others(call, opens, table, given);
  // A thread that ended is in none of them.
  if (table.closing.size() >= kMostThreads) {
    std::erase_if(table.closing, [&](const auto& entry) { return !x_busy(entry.first); });
  }
  if (table.accepting.size() >= kMostThreads) {
    std::erase_if(table.accepting, [&](uint32_t thread) { return !x_busy(thread); });
  }
  if (accepts(call.number)) table.accepting.insert(call.thread);
  if (call.kind == CallKind::kCloses && call.fd >= 0) {
    table.closing[call.thread] = call.fd;
    table.lowest = std::min(table.lowest, call.fd);
  }
  if (call.kind == CallKind::kClears || call.kind == CallKind::kExecutes) table = {};
  if (call.kind == CallKind::kEnds) x_tables.erase(call.process);
  if (!opens) return given;
  // An accept that waits has its number already, and whose socket is whose is not known; of Go not
  // every accept and close is told.
  const bool go = x_told == ToldCalls::kOfGo;
  if (gives_socket(call.number) && (go || !table.accepting.empty())) clear = false;
  if (go) table.lowest = 0;
  Opening opening{call.thread, call.at, {-1, -1}};
  if (clear) opening.numbers = expected(call, third, table);
  table.under_way.push_back(opening);
  return given;
}

}  // namespace unclosed
