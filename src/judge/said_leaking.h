// What was said to be leaking so far in one look, so that a verdict which does not last is taken
// back aloud, with what became of its connections. It knows only what it was told: a leak that came
// and went between two judgements was never said. Pure; one thread at a time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "judge/last_closes.h"
#include "model/finding.h"
#include "model/history.h"
#include "model/stack.h"

namespace unclosed {

class SaidLeaking {
 public:
  // Notes what `judgement`, made at `now`, calls leaking.
  void note(const Judgement& judgement, Instant now);

  // What was noted and `last` does not call leaking any more, neither by its name nor, where
  // another line is blamed by now, by most of its connections. `histories`: what `last` was made
  // of.
  std::vector<TakenBack> taken_back(const Judgement& last, const Histories& histories) const;

  // What was noted until the process ended and `last` does not call leaking any more because it
  // did: its connections were left alone until they were closed, with the `closes` of its last
  // moment, by what clears up behind a program. `stacks`: of those closes.
  std::vector<Finding> lasted(const Judgement& last, const Histories& histories,
                              const std::vector<LastClose>& closes, const StackBook& stacks) const;

 private:
  struct Said {
    Finding finding;
    Instant at;                        // the last time
    std::optional<Instant> not_since;  // the first judgement after it
  };
  bool stands(const Said& entry, const Judgement& last) const;
  std::map<std::string, Said> x_by_fingerprint;
};

}  // namespace unclosed
