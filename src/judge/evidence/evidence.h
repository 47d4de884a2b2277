// One function an evidence: nullopt when it does not hold for the case. A text names the numbers it
// rests on and the policy values behind them.
//
// To add one: 1. a file here with its function, 2. its declaration below, 3. a line in weigh()
// (verdict.cc), 4. a test on a case that leaks and on its healthy counterpart, 5. a line in
// README.md.
#pragma once

#include <optional>
#include <string>

#include "judge/case.h"

namespace unclosed {

// peer
std::optional<Evidence> peer_closed(const Case& item);
std::optional<Evidence> end_ignored(const Case& item);
std::optional<Evidence> no_longer_connected(const Case& item);
std::optional<Evidence> peer_vanished(const Case& item);
// use
std::optional<Evidence> unread_response(const Case& item);
std::optional<Evidence> passed_over(const Case& item);
// growth
std::optional<Evidence> outlives_siblings(const Case& item);
std::optional<Evidence> never_closed_here(const Case& item);
std::optional<Evidence> rising_floor(const Case& item);
// owner
std::optional<Evidence> closed_by_parent(const Case& item);
std::optional<Evidence> owner_gone(const Case& item);
std::optional<Evidence> holder_stuck(const Case& item);
std::optional<Evidence> lent_out(const Case& item);
// collector
std::optional<Evidence> closed_by_collector(const Case& item);
// against
std::optional<Evidence> bounded_count(const Case& item);
std::optional<Evidence> peer_restarted(const Case& item);
std::optional<Evidence> heartbeat(const Case& item);
std::optional<Evidence> used_again(const Case& item);
std::optional<Evidence> awaiting_answer(const Case& item);
std::optional<Evidence> in_free_list(const Case& item);

// Whether the peers of most members went within one short burst: a restart of the peer, not many
// separate ends.
bool gone_in_one_burst(const Case& item);

// "12 s", "3 min", "84 ms".
std::string text_of(Duration duration);

}  // namespace unclosed
