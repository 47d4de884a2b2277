// Ctrl-C and termination. The first asks for an early end with a report, the second ends the
// program by that signal. Signals that were ignored when the program began (nohup) stay ignored.
#pragma once

#include <atomic>

namespace unclosed {

// Handles SIGINT, SIGTERM and SIGHUP, and lets a closed pipe be an error instead of a signal. The
// handlers do not outlive an exec: a command that is started gets the usual behaviour.
void handle_interrupts();
// How often one came.
const std::atomic<int>& interrupts();
// The last one; 0 when none came.
int last_interrupt();

}  // namespace unclosed
