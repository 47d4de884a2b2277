#include "collect/seccomp/numbers.h"

#include <sys/syscall.h>

#include <algorithm>
#include <thread>

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

// Whether it ends while we wait a moment, as most do: they were let go just before. One that may
// take for ever (the opening of a fifo) is waited for once.
bool Numbers::ends_soon(const Call& call, const Opening& opening, std::vector<Call>& given) const {
  constexpr int kTries = 32;
  const int tries = opening.numbers[0] < 0 ? 1 : kTries;
  for (int i = 0; i < tries; ++i) {
    if (i > 0) std::this_thread::yield();
    if (!x_busy(opening.thread)) {
      (void)settle(call, opening, given);
      return true;
    }
  }
  return false;
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
    if (settle(call, one, given) || own || ends_soon(call, one, given)) return true;
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

std::optional<Call> Numbers::expected_of_last() const {
  const auto table = x_tables.find(x_unsettled);
  if (table == x_tables.end() || table->second.under_way.empty()) return std::nullopt;
  const Opening& last = table->second.under_way.back();
  if (last.numbers[0] < 0 || last.numbers[1] >= 0) return std::nullopt;
  Call gave;
  gave.kind = CallKind::kGave;
  gave.thread = last.thread;
  gave.process = x_unsettled;
  gave.at = last.at;
  gave.fd = last.numbers[0];
  return gave;
}

std::vector<Call> Numbers::look_again() {
  std::vector<Call> given;
  const auto table = x_tables.find(x_unsettled);
  if (table == x_tables.end() || table->second.under_way.empty()) {
    x_unsettled = 0;
    return given;
  }
  Call any;
  any.process = x_unsettled;
  const Opening& last = table->second.under_way.back();
  settle(any, last, given);
  const auto all = std::count_if(last.numbers.begin(), last.numbers.end(),
                                 [](int number) { return number >= 0; });
  if (static_cast<size_t>(all) != given.size()) return {};
  table->second.under_way.pop_back();
  x_unsettled = 0;
  return given;
}

std::vector<Call> Numbers::note(const Call& call, uint64_t third) {
  std::vector<Call> given;
  x_unsettled = 0;
  if (x_tables.size() >= kMostProcesses && !x_tables.contains(call.process)) x_tables.clear();
  Table& table = x_tables[call.process];
  table.closing.erase(call.thread);
  table.accepting.erase(call.thread);
  table.receiving.erase(call.thread);
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
  if (table.receiving.size() >= kMostThreads) table.receiving.clear();
  if (accepts(call.number)) table.accepting.insert(call.thread);
  if (call.kind == CallKind::kReceives) table.receiving.insert(call.thread);
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
  if (!table.receiving.empty()) clear = false;  // whatever comes may take any number
  if (go) table.lowest = 0;
  Opening opening{call.thread, call.at, {-1, -1}};
  if (clear) opening.numbers = expected(call, third, table);
  table.under_way.push_back(opening);
  if (opening.numbers[0] >= 0) x_unsettled = call.process;
  return given;
}

}  // namespace unclosed
