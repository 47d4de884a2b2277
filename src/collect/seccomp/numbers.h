// Which number an opening gives, told exactly where that can be: the kernel gives the lowest that
// is free, and a thread that makes its next call has the one before behind it. So the number that
// is free when an opening begins, and open when that thread calls again, is its own, unless another
// thread of the process was opening or closing at the same moment: then nothing is said. It cannot
// know what is opened or closed without a told call. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "collect/seccomp/call.h"

namespace unclosed {

class Numbers {
 public:
  // What a number of a process is open on.
  using Look = std::function<OpenOn(uint32_t process, int fd)>;
  // Whether a thread may still be in a call that opens or closes.
  using Busy = std::function<bool(uint32_t thread)>;
  Numbers(Look look, Busy busy, ToldCalls told)
      : x_look(std::move(look)), x_busy(std::move(busy)), x_told(told) {}

  // Takes note of a call that is about to happen; `third` is its third argument. Answers what it
  // shows to have been given: calls of kind kGave, with the thread and the moment of the opening.
  std::vector<Call> note(const Call& call, uint64_t third);
  // The process whose opening is the last call, where its number can be told and was not yet; 0:
  // none.
  uint32_t unsettled() const { return x_unsettled; }
  // Of that opening: the call of kind kGave that would tell of its first number, but for what that
  // is open on; nullopt: it cannot be told, or is one of two.
  std::optional<Call> expected_of_last() const;
  // What it has given by now, as note() answers it; empty: nothing yet.
  std::vector<Call> look_again();

 private:
  struct Opening {
    uint32_t thread = 0;
    Instant at;
    std::array<int, 2> numbers{-1, -1};  // -1: not known, or none
  };
  struct Table {
    int lowest = 0;  // all below are open
    std::vector<Opening> under_way;
    std::unordered_map<uint32_t, int> closing;  // by thread
    std::unordered_set<uint32_t> accepting;     // threads
    std::unordered_set<uint32_t> receiving;     // descriptors, maybe
  };

  bool settle(const Call& call, const Opening& opening, std::vector<Call>& given) const;
  bool ends_soon(const Call& call, const Opening& opening, std::vector<Call>& given) const;
  bool settle_others(const Call& call, bool opens, Table& table, std::vector<Call>& given) const;
  int lowest_free(uint32_t process, Table& table, int from) const;
  std::array<int, 2> expected(const Call& call, uint64_t third, Table& table) const;

  Look x_look;
  Busy x_busy;
  ToldCalls x_told;
  std::unordered_map<uint32_t, Table> x_tables;
  uint32_t x_unsettled = 0;
};

}  // namespace unclosed
