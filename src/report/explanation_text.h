// An explanation for a person at a terminal: what died, what it is, and the five steps from the
// symptom to the line with what each rests on and what is missing. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>

#include "model/explanation.h"

namespace unclosed {

struct ExplanationStyle {
  bool colour = false;
  size_t width = 100;  // columns
};

std::string explanation_text(const Explanation& explanation, const ExplanationStyle& style);

}  // namespace unclosed
