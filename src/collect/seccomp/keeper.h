// The keeper: a tiny process that holds the listener too, and lets calls go on when the supervisor
// does not: it was killed, is stopped, or has done its work while the service lives on. Without
// anybody on the listener the kernel would fail the calls with ENOSYS. It reads nothing of the
// service, and ends with it.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "collect/seccomp/shared_page.h"

namespace unclosed {

// Forks it. While the answered Fd is open somewhere, the supervisor is thought alive; when it is
// closed (also by the kernel), the keeper answers at once. A supervisor that stands still is
// replaced after a tenth of a second, until it moves again.
Result<Fd> start_keeper(int listener, SharedPage& page);

}  // namespace unclosed
