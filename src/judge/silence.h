// Clients that went without a word: accepted connections that fell silent far beyond what their
// like do, while nothing asks whether anybody is still there (no keep-alive). Silence alone says
// nothing of a quiet protocol: it counts where those of the same rhythm keep speaking, or say
// goodbye. It cannot know a deadline of the service that is longer than it waits. Pure; any thread.
#pragma once

#include "judge/scene.h"

namespace unclosed {

// How long it must be silent at least: beyond the idle timeouts that servers usually have.
Duration silence_floor(const Policy& policy);

// Sets `silent` of the members of `scene`.
void mark_silent(Scene& scene);

}  // namespace unclosed
