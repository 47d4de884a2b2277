// What the judge says. Every number that a reader of the report sees about a finding is here;
// reports only format. Value types; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/connection.h"
#include "model/limit.h"
#include "model/owner.h"
#include "model/record.h"

namespace unclosed {

enum class Verdict : uint8_t { kHealthy, kHeld, kUnknown, kSuspect, kLeaking };
std::string_view to_string(Verdict verdict);  // healthy, held, unknown, suspect, leaking

// One line of the user's own code.
struct Site {
  std::string function;
  std::string file;
  uint32_t line = 0;
  bool operator==(const Site&) const = default;
};
struct SiteCount {
  Site site;
  uint64_t count = 0;
};

enum class BlameRole : uint8_t { kBorrowed, kUsed, kOpened, kHeld, kClosed };
std::string_view to_string(BlameRole role);  // borrowed, used, opened, held, closed

struct Blame {
  BlameRole role = BlameRole::kUsed;
  Site site;
  std::string rule;       // in words: "common frame of the opening and the last request"
  double confidence = 0;  // 0..1
};

// One named reason for or against a leak, explained with its numbers and the policy values behind
// them.
enum class Family : uint8_t { kPeer, kUse, kGrowth, kOwner, kCollector, kAgainst };
struct Evidence {
  std::string kind;  // "unread-response", "passed-over", …
  Family family = Family::kUse;
  bool in_favour = true;  // false: speaks against a leak
  bool conclusive = false;
  std::string text;
};

// Where members of the cohort that did not leak are closed or handed back.
enum class CloseHow : uint8_t { kClosed, kReturned };
std::string_view to_string(CloseHow how);  // closed, returned
struct NormallyClosed {
  Site site;
  CloseHow how = CloseHow::kClosed;
};

struct FoundConnection {
  ConnectionId id;
  Descriptor descriptor;           // one of those that refer to it
  std::vector<Descriptor> others;  // and the rest of them
  Kind kind = Kind::kOther;
  TcpState state = TcpState::kNone;
  std::string local, peer;
  bool before_attach = false;
  double age_seconds = 0;  // before_attach: at least this
  std::optional<double> idle_seconds;
  uint64_t recv_queue = 0, send_queue = 0;
  Actor last_actor;
  StackId opened = kNoStack, used = kNoStack, borrowed = kNoStack, received = kNoStack,
          told = kNoStack, duplicated = kNoStack;
  std::shared_ptr<const Owner> owner;  // null: not read from memory
};

// A group of connections with one verdict: blamed function × role × kind × peer.
struct Finding {
  std::string fingerprint;  // "v1:9f2a31c0"
  Verdict verdict = Verdict::kHealthy;
  Kind kind = Kind::kOther;
  Role role = Role::kUnknown;
  std::string peer;
  uint64_t count = 0;
  uint64_t descriptors = 0;  // numbers that refer to them
  uint64_t copies = 0;       // further numbers, where these are the leak and the files are none
  uint64_t older_matched =
      0;  // of `count`: opened before the attach, joined by the rule named in the evidence
  uint64_t healed = 0;
  double growth_per_minute = 0;
  std::optional<Blame> blame;
  std::string
      no_blame_reason;  // why blame is absent and what would name the line; "" when blame is set
  // The commonest of each; told: where the service was given the end of what it had accepted.
  std::optional<Site> opened, used, borrowed, told, held;
  std::optional<Site> duplicated, received;  // where further numbers of one file were made
  std::vector<SiteCount> all_opened, all_used;
  std::optional<NormallyClosed> normally_closed_at;
  uint64_t siblings_closed = 0;  // since the attach, by the service itself
  Diagnosis diagnosis = Diagnosis::kUnknown;
  std::vector<Evidence> evidence;
  std::vector<std::pair<TcpState, uint64_t>> states;  // most frequent first
  std::vector<FoundConnection> connections;  // all of them, oldest first; reports cut the list
};

struct FailureCount {
  Attempt attempt = Attempt::kOther;
  int errno_value = 0;
  std::optional<Site> site;
  std::string peer;
  uint64_t count = 0;
};

// What was said to be leaking earlier in the same look, and is not any more.
struct TakenBack {
  std::string fingerprint;
  Verdict now = Verdict::kHealthy;  // kSuspect: still a finding, with less evidence
  Instant said_at;                  // the last time
  Kind kind = Kind::kOther;
  std::string peer;
  std::optional<Blame> blame;
  uint64_t count = 0;
  uint64_t used_again = 0, closed = 0;  // of `count`, since then
};

struct Judgement {
  std::vector<Finding> findings;  // leaking and suspect, the worst first
  std::vector<Finding> groups;    // every cohort with open connections, whatever its verdict
  std::vector<Limit> limits;
  std::vector<FailureCount> failures;  // victims of a limit or of a peer, most frequent first
  std::vector<TakenBack> taken_back;   // by whoever judged before: said_leaking.h
};

}  // namespace unclosed
