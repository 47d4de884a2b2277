// Short turns on the CPU, so that whoever is watched need not wait behind the watcher. Any thread.
#pragma once

namespace unclosed {

// The scheduler lets a thread finish its turn, some 3 ms, before another that wakes up has its own:
// so long a service may wait for an answer's CPU. Asks for turns of a tenth of a millisecond, for
// this thread and those that it starts later; its share of the CPU stays as it is. Only a wish: a
// policy that somebody chose (idle, batch, real time) is kept, and kernels before 6.12
// ("sched/eevdf: Use sched_attr::sched_runtime to set request/slice suggestion") ignore it.
void ask_for_short_turns();

}  // namespace unclosed
