// Kernel-side bytes into the vocabulary of the model. Pure; any thread.
#pragma once

#include "collect/bpf/descriptors_intf.h"
#include "model/connection.h"
#include "model/record.h"

namespace unclosed {

// The facts of a record; `handed` is null where probed functions told nothing of it, `opener` the
// process behind record.tgid, `row` adds what only a scan sees.
ConnectionFacts facts_of(const uc_record& record, const uc_handed* handed, const ProcessId& opener,
                         const uc_row* row);
Failed failure_of(const uc_failure_key& key, const uc_failure& failure, const ProcessId& process);
Use use_of(const uc_use& use);

}  // namespace unclosed
