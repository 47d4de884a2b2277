// Whom a connection belongs to, as JSON and in words. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/owner.h"

namespace unclosed {

// Goroutines that wait on a descriptor, as docs/schema/listing-1.json describes `waiters`.
nlohmann::ordered_json waiters_json(const std::vector<DescriptorWaiter>& waiters);

// As docs/schema/report-1.json describes `owner`; null where nobody asked.
nlohmann::ordered_json owner_json(const Owner* owner);

// "goroutine 37, in chan receive for over 12 min at main.worker app.go:12", "held by
// main.sessions". Printable.
std::vector<std::string> owner_words(const Owner& owner);

}  // namespace unclosed
