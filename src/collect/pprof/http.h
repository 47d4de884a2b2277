// Profiles by HTTP: the address that a person typed, and requests to it, several at once. Only http
// and https; answers, redirects and times are bounded. What may be shown of an address holds no
// credentials: no user, no password, no query. One thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace unclosed {

// Where the profiles of one service are.
struct PprofAddress {
  std::string folder;   // ends with "/debug/pprof/", with credentials where they were given
  std::string query;    // of the user's: "token=…"; "" for none
  std::string profile;  // "mutex" of ".../debug/pprof/mutex"; "": the folder itself was meant
  std::string shown;    // "http://host:6060" without secrets

  std::string url(std::string_view name, std::string_view parameters) const;
};
// Whether an argument is an address and no file: "http://…", "localhost:6060", ":6060".
bool is_address(std::string_view text);
// kUsage: another scheme, or no host.
Result<PprofAddress> parse_address(const std::string& text);

struct HttpAnswer {
  long status = 0;
  std::string body;
};
struct HttpSettings {
  Duration connect_timeout = std::chrono::seconds(5), timeout = std::chrono::seconds(120);
  size_t most_bytes = size_t{1} << 30;          // of one answer
  const std::atomic<int>* interrupt = nullptr;  // not zero: give up
};
// Asks for all of `urls` at the same moment; answers in their order. Any status is an answer. The
// error says in words what went wrong, and holds nothing of the URL: `shown` names the service.
Result<std::vector<HttpAnswer>> http_get(const std::vector<std::string>& urls,
                                         const std::string& shown, const HttpSettings& settings);
// Why a status is no profile; nullopt: it is 200.
std::optional<Error> status_error(long status, const std::string& shown, std::string_view name);

}  // namespace unclosed
