#include "judge/policy.h"

namespace unclosed {

Policy Policy::scaled(double factor) const {
  Policy policy = *this;
  policy.long_floor = from_seconds(seconds(long_floor) * factor);
  return policy;
}

}  // namespace unclosed
