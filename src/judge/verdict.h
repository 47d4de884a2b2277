// Evidence to verdict: `leaking` rests on two families or on something conclusive; one family alone
// is at most `suspect`. Pure; any thread.
#pragma once

#include <vector>

#include "judge/case.h"
#include "model/finding.h"

namespace unclosed {

// All evidence that holds for the case, the strongest first.
std::vector<Evidence> weigh(const Case& item);
// kLeaking, kSuspect, or kHealthy for "nothing that would make a finding".
Verdict decide(const Case& item, const std::vector<Evidence>& evidence);

}  // namespace unclosed
