#include "model/owner.h"

#include <algorithm>

namespace unclosed {
namespace {

// Lent, and in the hands of the goroutine that holds it.
bool lent_to_holder(const Owner& owner) {
  return owner.in_hand && !owner.user && owner.held &&
         owner.held->holder.kind == HolderKind::kGoroutine;
}

}  // namespace

bool holds_what_was_lent(const Holder& holder) {
  const auto of_sql = [](const HeldStep& step) { return step.type.starts_with("database/sql."); };
  const auto is_pool = [](const HeldStep& step) { return step.type == "database/sql.DB"; };
  return holder.kind == HolderKind::kGoroutine && holder.alike == 1 && !holder.chain.empty() &&
         of_sql(holder.chain.front()) &&
         std::none_of(holder.chain.begin(), holder.chain.end(), is_pool);
}

const GoroutineNow* borrower(const Owner& owner) {
  if (owner.user_now) return &*owner.user_now;
  return lent_to_holder(owner) && owner.holder_now ? &*owner.holder_now : nullptr;
}

bool unawaited(const Owner& owner) {
  if (!owner.user || !owner.waiters.empty()) return false;
  if (!owner.user_now) return true;
  const std::string& state = owner.user_now->state;
  return state != "syscall" && state != "running" && state != "runnable";
}

bool keeps_a_pool(const Owner& owner) {
  if (!owner.held || owner.held->holder.kind != HolderKind::kGoroutine) return false;
  if (owner.held->holder.alike > 1) return true;
  const uint64_t holder = owner.held->holder.goroutine;
  const bool serves = owner.request && owner.request->role == HttpRequest::Role::kServing &&
                      owner.request->goroutine == holder;
  const bool its_own = owner.one_each && !owner.user;
  return !serves && owner.user != holder && !lent_to_holder(owner) && !its_own;
}

}  // namespace unclosed
