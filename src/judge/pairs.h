// Connections made one for one: a proxy dials for each client that it accepts, and keeps both for
// as long as the client stays. Such a connection is idle because its client is, and new dials are
// for new clients: nothing was passed over. It cannot tell a proxy from a service that forgets
// exactly one connection for each client, until the clients leave. Pure; any thread.
#pragma once

#include "judge/scene.h"

namespace unclosed {

// Sets `paired` of the members of `scene` whose accepted counterpart is still there.
void mark_paired(Scene& scene);

}  // namespace unclosed
