// An explanation as one JSON document, schema "unclosed.explanation/1". Fields may be added, never
// renamed. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>

#include "model/explanation.h"

namespace unclosed {

struct ExplanationJsonOptions {
  size_t most_groups = 10'000;  // of goroutines; the rest is counted in groups_omitted
};

std::string explanation_json(const Explanation& explanation, const ExplanationJsonOptions& options);

}  // namespace unclosed
