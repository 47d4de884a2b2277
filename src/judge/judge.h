// The judge: histories in, verdicts out. Each verdict rests on named evidence of several families
// and explains itself; blame follows the rules of ARCHITECTURE.md and is absent, with the reason,
// where the stacks do not tell. Pure: the same histories, stacks and policy give the same
// judgement. Any thread.
#pragma once

#include "judge/policy.h"
#include "model/finding.h"
#include "model/history.h"
#include "model/stack.h"

namespace unclosed {

Judgement judge(const Histories& histories, const StackBook& stacks, const Policy& policy);

}  // namespace unclosed
