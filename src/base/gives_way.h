// Stands behind everybody else for a while, so that whoever is read does not notice.
// One at a time in a process; made and ended by the same thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace unclosed {

// While it lives, this thread and those that it starts have the idle policy (man 7 sched): whoever
// else wants the CPU has it at once, where by the usual policy he waits for a turn, some 3 ms. On a
// machine without a moment to spare it would get next to nothing, and hold what it has taken of the
// one that is read: when this thread was ready and hardly ran for some 30 ms it goes on as usual,
// in short turns (short_turns.h).
//
// It cannot be had where nobody would let us return from it (CAP_SYS_NICE or RLIMIT_NICE), where
// the kernel does not tell how long a thread ran (/proc/thread-self/schedstat), or where somebody
// has chosen another policy for us: then nothing changes but the length of turns.
class GivesWay {
 public:
  GivesWay();
  ~GivesWay();
  GivesWay(const GivesWay&) = delete;
  GivesWay& operator=(const GivesWay&) = delete;

 private:
  void guard(int thread);

  std::mutex x_mutex;
  std::condition_variable x_changed;
  bool x_over = false;
  std::thread x_guard;
};

}  // namespace unclosed
