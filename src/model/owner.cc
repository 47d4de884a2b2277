#include "model/owner.h"

#include <algorithm>

namespace unclosed {
namespace {

// By way of the pool, and not of what the pool lent.
bool leads_through_pool(const Holder& holder) {
  return std::any_of(holder.chain.begin(), holder.chain.end(),
                     [](const HeldStep& step) { return step.type == "database/sql.DB"; });
}

// Lent, and in the hands of the goroutine that holds it.
bool lent_to_holder(const Owner& owner) {
  return owner.lent && !owner.user && owner.held &&
         owner.held->holder.kind == HolderKind::kGoroutine &&
         !leads_through_pool(owner.held->holder);
}

}  // namespace

const GoroutineNow* borrower(const Owner& owner) {
  if (owner.user_now) return &*owner.user_now;
  return lent_to_holder(owner) && owner.holder_now ? &*owner.holder_now : nullptr;
}

bool keeps_a_pool(const Owner& owner) {
  if (!owner.held || owner.held->holder.kind != HolderKind::kGoroutine) return false;
  const uint64_t holder = owner.held->holder.goroutine;
  const bool serves = owner.request && owner.request->role == HttpRequest::Role::kServing &&
                      owner.request->goroutine == holder;
  return !serves && owner.user != holder && !lent_to_holder(owner);
}

}  // namespace unclosed
