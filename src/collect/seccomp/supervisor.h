// The supervisor: a thread that answers every call the filter tells of, with "go on", after it has
// looked at who makes it: the descriptor, the top of the stack. It never waits for anything else of
// this program, and keeps a bounded number of calls for collect(); what found no place is counted.
// It cannot see what a call answers. The service waits while it looks: some microseconds.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "collect/seccomp/call.h"
#include "collect/seccomp/goroutines.h"

namespace unclosed {

struct SupervisorSettings {
  double stack_budget = 0.02;  // share of one core for stacks; 0: no bound
  ToldCalls told = ToldCalls::kAll;
};

struct SupervisorCounts {
  uint64_t calls = 0, stacks = 0, stacks_left_out = 0, lost = 0;
  Duration stack_time{};
};

class Supervisor {
 public:
  // Takes over `listener`; from then on calls are answered, also when this program ends.
  static Result<Supervisor> start(Fd listener, const SupervisorSettings& settings);
  ~Supervisor();
  Supervisor(Supervisor&&) noexcept;
  Supervisor& operator=(Supervisor&&) noexcept;

  // The calls since the last time, in place of what the batch held: its memory is used for the next
  // ones.
  void collect(CallBatch& batch);
  SupervisorCounts counts() const;
  // From now on calls of this process tell their goroutine.
  void tell_goroutines(uint32_t process, const GoroutinePlace& place);
  // Waits until a process is held, or until the time is over. Held are those that are about to end,
  // their descriptors still open, and those that are about to run another program, so that their
  // stacks can be walked. The keeper lets each go after a second if nobody does.
  void wait(Duration most);
  // Of those one that is about to end; 0: none.
  uint32_t ending() const;
  // Lets those go whose last calls were collected.
  void let_held_go();

 private:
  struct State;
  explicit Supervisor(std::unique_ptr<State> state);
  std::unique_ptr<State> x_state;
};

}  // namespace unclosed
