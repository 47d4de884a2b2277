// Which processes and limits a report tells of: those that are alive, those that were asked for,
// and those that have something that is listed. Children that have ended are counted. Pure; any
// thread.
#pragma once

#include <vector>

#include "model/history.h"
#include "model/report.h"

namespace unclosed {

// Fills in the processes, those `asked` for first, in their order; puts the limits into the same
// order. Of limits of ended processes, should all have ended, those of the ones asked for are left.
void tell_processes(Report& report, const Histories& histories,
                    const std::vector<ProcessId>& asked);

// Puts `started`, what is known of a command that was started, where nothing was read of its process
// before it ended.
void tell_unread(Histories& histories, const ProcessInfo& started);

}  // namespace unclosed
