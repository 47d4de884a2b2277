#include "collect/seccomp/tracker.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <utility>

namespace unclosed {
namespace {

constexpr size_t kMostLoose = 4096;

bool gives_socket(int number) {
  return number == __NR_socket || number == __NR_accept || number == __NR_accept4 ||
         number == __NR_socketpair;
}
bool gives_two(int number) {
  return number == __NR_pipe || number == __NR_pipe2 || number == __NR_socketpair;
}
bool receives(int number) { return number == __NR_recvmsg; }
uint32_t numbers_of(int number) {
  constexpr uint32_t kMostReceived = 253;  // SCM_MAX_FD, include/net/scm.h
  return gives_two(number) ? 2 : receives(number) ? kMostReceived : 1;
}
bool accepts(int number) { return number == __NR_accept || number == __NR_accept4; }
bool copies(int number) {
  return number == __NR_dup || number == __NR_dup2 || number == __NR_dup3 || number == __NR_fcntl;
}

Kind kind_given(int number, const std::array<uint64_t, 2>& arguments) {
  switch (number) {
    case __NR_socket:
    case __NR_socketpair:
      if (arguments[0] == AF_UNIX) return Kind::kUnix;
      if (arguments[0] == AF_NETLINK) return Kind::kNetlink;
      if (arguments[0] != AF_INET && arguments[0] != AF_INET6) return Kind::kOther;
      return (arguments[1] & 0xf) == SOCK_STREAM  ? Kind::kTcp
             : (arguments[1] & 0xf) == SOCK_DGRAM ? Kind::kUdp
                                                  : Kind::kOther;
    case __NR_open:
    case __NR_openat:
    case __NR_openat2:
    case __NR_creat:
      return Kind::kFile;
    case __NR_pipe:
    case __NR_pipe2:
      return Kind::kPipe;
    case __NR_eventfd:
    case __NR_eventfd2:
      return Kind::kEventfd;
    case __NR_epoll_create:
    case __NR_epoll_create1:
      return Kind::kEpoll;
    case __NR_timerfd_create:
      return Kind::kTimerfd;
    case __NR_signalfd:
    case __NR_signalfd4:
      return Kind::kSignalfd;
    case __NR_inotify_init:
    case __NR_inotify_init1:
      return Kind::kInotify;
    case __NR_memfd_create:
      return Kind::kMemfd;
    case __NR_pidfd_open:
      return Kind::kPidfd;
    default:
      return Kind::kOther;
  }
}

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

// Whether an opening can have given what is seen.
bool Tracker::fits(const Opening& opening, Kind kind, Role role, const std::string& name) {
  if (receives(opening.number)) return false;  // whatever it is: where nothing else fits
  if (copies(opening.number)) {
    return !is_socket(kind) && kind == opening.kind && (name.empty() || name == opening.path);
  }
  if (accepts(opening.number)) return is_socket(kind) && role != Role::kListener;
  // Accepted by somebody who does not tell (io_uring).
  if (opening.number == __NR_socket && role == Role::kServer) return false;
  const Kind given = kind_given(opening.number, opening.arguments);
  if (given == Kind::kFile) {
    const bool kinds = kind == Kind::kFile || kind == Kind::kFifo || kind == Kind::kOther;
    // A link that was opened has another name than what it leads to: then nothing is known.
    return kinds &&
           (name.empty() || opening.path.empty() || file_name(name) == file_name(opening.path));
  }
  return given == kind ||
         (given == Kind::kOther && gives_socket(opening.number) && is_socket(kind));
}

Tracker::Key Tracker::key_of(const TracedCall& traced) {
  if (traced.call.on.socket) return {traced.call.on.inode, {}};
  return {0, {traced.process, traced.call.fd}};
}

void Tracker::tell_opening(Story& story, const Opening& opening) {
  ConnectionFacts& facts = story.facts;
  story.told_by = opening;
  story.inherited = opening.parent && !gives_socket(opening.number);
  if (copies(opening.number)) {
    facts.duplicated = opening.use;
    facts.kind = opening.kind;
    if (!opening.first) return;
  }
  story.opening_known = true;
  facts.opener = opening.first_opener.value_or(opening.parent.value_or(opening.process));
  facts.opened = opening.use;
  facts.copied_from = opening.first;
  if (receives(opening.number)) facts.copied_from = Use{};  // opened by whoever sent it
  facts.before_attach = false;
  if (accepts(opening.number)) {
    story.accepted = true;
    facts.role = Role::kServer;
    const auto listener = x_stories.find({opening.arguments[1], {}});
    if (listener != x_stories.end()) {
      facts.kind = listener->second.facts.kind;
      facts.local = listener->second.facts.local;
    } else if (!story.looked_at) {
      facts.kind = Kind::kTcp;
    }
  } else if (!story.looked_at && !copies(opening.number) && !receives(opening.number)) {
    facts.kind = kind_given(opening.number, opening.arguments);
  }
}

Tracker::LooseKey Tracker::loose_key(const Opening& opening) {
  // Of open and its kin the path counts, and not where in memory it stood.
  const bool by_path = kind_given(opening.number, opening.arguments) == Kind::kFile;
  return {opening.number, by_path ? std::array<uint64_t, 2>{} : opening.arguments,
          opening.use.stack, opening.use.by.thread, opening.path, opening.fd};
}

uint32_t Tracker::numbers_left(const Opening& opening) {
  return numbers_of(opening.number) - opening.given;
}

void Tracker::loosen(const Opening& opening) { loosen(opening, numbers_left(opening)); }

void Tracker::loosen(const Opening& opening, uint32_t count) {
  auto& loose = x_loose[opening.process];
  if (loose.size() >= kMostLoose) {
    std::vector<Instant> times;
    for (const auto& [key, one] : loose) times.push_back(one.opening.use.at);
    const auto middle = times.begin() + kMostLoose / 2;
    std::nth_element(times.begin(), middle, times.end());
    std::erase_if(loose, [&](const auto& entry) { return entry.second.opening.use.at < *middle; });
  }
  Loose& one = loose[loose_key(opening)];
  one.opening = opening;
  one.count += count;
}

// The last call of that thread, if it can have given what is named now, and nothing else that the
// thread has opened can.
template <class Could>
std::optional<Tracker::Opening> Tracker::own_opening(const ProcessId& process, uint32_t thread,
                                                     Could could) {
  const auto own = x_last.find(thread);
  if (own == x_last.end() || own->second.process != process || !could(own->second)) {
    return std::nullopt;
  }
  const auto loose = x_loose.find(process);
  const bool doubt =
      loose != x_loose.end() &&
      std::any_of(loose->second.begin(), loose->second.end(), [&](const auto& entry) {
        const Opening& other = entry.second.opening;
        return other.use.by.thread == thread && other.use.stack != own->second.use.stack &&
               could(other);
      });
  if (doubt) return std::nullopt;
  const Opening opening = own->second;
  x_last.erase(own);
  if (const uint32_t left = numbers_left(opening); left > 1) {
    loosen(opening, left - 1);  // the other end
  }
  return opening;
}

// Several openings may be meant; they tell something where all have the same stack: then the last.
template <class Could>
std::optional<Tracker::Opening> Tracker::only_one(const ProcessId& process, Could could) {
  const Opening* found = nullptr;
  const auto differs = [&](const Opening& opening) {
    if (!could(opening)) return false;
    if (found != nullptr && found->use.stack != opening.use.stack) return true;
    if (found == nullptr || found->use.at < opening.use.at) found = &opening;
    return false;
  };
  for (const auto& [thread, opening] : x_last) {
    if (opening.process == process && differs(opening)) return std::nullopt;
  }
  const auto loose = x_loose.find(process);
  if (loose != x_loose.end()) {
    for (const auto& [key, one] : loose->second) {
      if (differs(one.opening)) return std::nullopt;
    }
  }
  if (found == nullptr) return std::nullopt;
  const Opening opening = *found;
  if (loose == x_loose.end()) return opening;
  const auto spent = loose->second.find(loose_key(opening));
  if (spent != loose->second.end() && --spent->second.count == 0) loose->second.erase(spent);
  return opening;
}

std::optional<Tracker::Opening> Tracker::opening_for(const TracedCall& traced) {
  const bool socket = traced.call.on.socket;
  const bool connects = traced.call.kind == CallKind::kConnects;
  const bool names = traced.call.kind == CallKind::kNames;
  const auto could = [&](const Opening& opening) {
    if (opening.fd >= 0 && opening.fd != traced.call.fd) return false;
    if (!socket) {
      return fits(opening, traced.call.on.kind, Role::kUnknown, traced.call.on.name);
    }
    if (connects || names) return opening.number == __NR_socket;
    // A Go service connects or binds before it sends: else it was accepted, which may not be told.
    if (x_told == ToldCalls::kOfGo && opening.number == __NR_socket) return false;
    return gives_socket(opening.number);
  };
  const Descriptor place{traced.process, traced.call.fd};
  if (!connects && !names) {
    if (const auto added = numbered(place, could, traced.use.at)) return added;
  }
  if (const auto own = own_opening(traced.process, traced.call.thread, could)) return own;
  return only_one_or_received(traced.process, could);
}

std::optional<Tracker::Opening> Tracker::opening_for(const ConnectionFacts& facts,
                                                     const Descriptor& place, Instant began) {
  const auto could = [&](const Opening& opening) {
    return (opening.fd < 0 || opening.fd == place.fd) &&
           fits(opening, facts.kind, facts.role, facts.name);
  };
  if (const auto added = numbered(place, could, began)) return added;
  // Standard streams are inherited, whatever they are open on.
  if (!is_socket(facts.kind) && place.fd <= STDERR_FILENO) return std::nullopt;
  return only_one_or_received(place.process, could);
}

// What nothing that was opened can have given, a message has brought.
template <class Could>
std::optional<Tracker::Opening> Tracker::only_one_or_received(const ProcessId& process,
                                                              Could could) {
  bool any = false;
  const auto opened = only_one(process, [&](const Opening& opening) {
    const bool may = could(opening);
    any = any || may;
    return may;
  });
  if (any) return opened;
  return only_one(process, [](const Opening& opening) { return receives(opening.number); });
}

template <class Could>
std::optional<Tracker::Opening> Tracker::numbered(const Descriptor& place, Could could,
                                                  Instant before) {
  const auto entry = x_numbered.find(place);
  if (entry == x_numbered.end() || entry->second.at > before) return std::nullopt;
  const Numbered known = entry->second;
  x_numbered.erase(entry);
  if (known.told && could(*known.told)) return known.told;
  return could(known.accepted) ? std::optional(known.accepted) : std::nullopt;
}

// A number that was closed and is named again is open on something else. What it was before is told
// by the look that misses it; where that takes both for one, under an id of its own.
bool Tracker::replaced(const Key& key, Story& story) {
  if (key.inode != 0 || !story.closed) return false;
  end_story(key, story, *story.closed);
  return true;
}

void Tracker::end_story(const Key& key, Story& story, const Use& closed) {
  const bool last = is_last(key, story);
  drop_key(key, story);
  if (!last) {
    story = {};
    return;
  }
  const Closed told{closed.at, story.facts, closed};
  if (story.looked_at) {
    x_replaced.try_emplace(story.facts.id, key, told);
  } else {
    x_gone.push_back(told);
  }
  story = {};
}

Tracker::Story& Tracker::begin_story(const Key& key, const TracedCall& traced) {
  Story& story = x_stories[key];
  story.facts.inode = traced.call.on.inode;
  story.facts.id = {traced.call.on.inode ^ static_cast<uint64_t>(traced.call.fd) << 48,
                    kOwnGeneration | ++x_generation};
  story.facts.opener = traced.process;
  story.facts.opened.at = traced.use.at;
  story.began = traced.use.at;
  story.fd = traced.call.fd;
  story.look = x_looks;
  return story;
}

// Whether what a number is open on now can be what that opening gave.
bool Tracker::gives(const Opening& opening, const OpenOn& on) {
  if (copies(opening.number)) return !on.socket && on.kind == opening.kind;
  const Kind given = kind_given(opening.number, opening.arguments);
  if (on.socket) return gives_socket(opening.number);
  if (given == Kind::kFile) return on.kind == Kind::kFile || on.kind == Kind::kOther;
  return !gives_socket(opening.number) && given == on.kind;
}

// Of an opening by that thread it is known which number it gave: whatever that was open on before
// is no more.
void Tracker::note_given(const TracedCall& traced) {
  const auto own = x_last.find(traced.call.thread);
  if (own == x_last.end() || own->second.process != traced.process ||
      own->second.use.at != traced.call.at || !gives(own->second, traced.call.on)) {
    return;
  }
  const Opening opening = own->second;
  if (++own->second.given == numbers_of(opening.number)) x_last.erase(own);
  const Key key = key_of(traced);
  auto known = x_stories.find(key);
  if (known != x_stories.end() && known->second.began < traced.call.at) {
    if (known->second.closed) {
      end_story(key, known->second, *known->second.closed);
    } else {
      drop_key(key, known->second);
    }
    x_stories.erase(known);
    known = x_stories.end();
  }
  const bool fresh = known == x_stories.end();
  Story& story = fresh ? begin_story(key, traced) : known->second;
  if (!story.opening_known) tell_opening(story, opening);
  if (fresh && !story.facts.copied_from) ++x_opened;
}

Tracker::Story& Tracker::story_of(const TracedCall& traced) {
  const Key key = key_of(traced);
  const auto known = x_stories.find(key);
  if (known != x_stories.end()) {
    if (another_file(known->second, traced.call.on)) {
      end_story(key, known->second, {kNoStack, known->second.named_at, {}});
    } else if (!replaced(key, known->second)) {
      return known->second;
    }
  }
  Story& story = begin_story(key, traced);
  if (const auto opening = opening_for(traced)) tell_opening(story, *opening);
  note_accept(story, {});
  if (!story.inherited && !story.facts.copied_from) ++x_opened;
  return story;
}

void Tracker::note_send(Story& story, const TracedCall& traced) {
  ConnectionFacts& facts = story.facts;
  const Use& use = traced.use;
  ++facts.request_count;
  facts.last_send = use.at;
  if (facts.role == Role::kUnknown && facts.peer.known()) facts.role = Role::kClient;
  const bool by_known = !traced.goroutines || use.by.goroutine != 0;
  if (!by_known) {
    // Which goroutine it was is not known, so neither is which request before was its own: a stack
    // alone may end in a helper that everybody shares, and would blame it.
    facts.requests = {Use{kNoStack, use.at, use.by}, std::nullopt, std::nullopt};
    facts.tenure.reset();
    facts.opening_in_tenure = false;
    return;
  }
  const bool first = facts.tenure_count == 0;
  if (!facts.tenure || !facts.tenure->by.same_as(use.by)) {
    facts.tenure = Use{kNoStack, use.at, use.by};
    ++facts.tenure_count;
    facts.opening_in_tenure = first && story.opening_known && facts.opened.by.same_as(use.by);
  }
  auto& last = facts.requests;
  if (last[0] && last[0]->stack == use.stack) {
    last[0] = use;
  } else if (last[1] && last[1]->stack == use.stack) {
    last[1] = std::exchange(last[0], use);
  } else {
    last = {use, last[0], last[1]};
  }
}

void Tracker::note(const TracedCall& traced) {
  const Call& call = traced.call;
  if (call.kind == CallKind::kGave) return note_given(traced);
  if (call.kind == CallKind::kConnects || call.kind == CallKind::kNames ||
      call.kind == CallKind::kCopies || call.kind == CallKind::kSends ||
      call.kind == CallKind::kCloses) {
    Story& story = story_of(traced);
    story.closed.reset();
    story.named_at = call.at;
    if (call.kind == CallKind::kSends) note_send(story, traced);
    if (call.kind == CallKind::kCopies && !story.facts.copied_from) {
      story.facts.duplicated = traced.use;
    }
    if (call.kind == CallKind::kCloses) story.closed = traced.use;
    if (call.kind == CallKind::kConnects) {
      story.facts.role = Role::kClient;
      if (call.peer.known()) story.facts.peer = call.peer;
      if (!call.peer_name.empty()) story.facts.name = call.peer_name;
    }
  }
  if (call.kind == CallKind::kWatches) note_watch(traced);
  // What this thread opened before and did not name now is somewhere in its process's table.
  const auto own = x_last.find(call.thread);
  if (own != x_last.end()) {
    loosen(own->second);
    x_last.erase(own);
  }
  if (call.kind != CallKind::kOpens && call.kind != CallKind::kCopies &&
      call.kind != CallKind::kReceives) {
    return;
  }
  if (call.number == __NR_dup2 || call.number == __NR_dup3) {
    const int onto = static_cast<int>(call.arguments[1]);
    forget_numbers(traced.process, onto, onto);
  }
  Opening opening{call.number, call.arguments, traced.process, traced.use, call.path, {}, {}};
  if (accepts(call.number)) opening.arguments[1] = call.on.inode;  // the listener
  if (receives(call.number)) opening.arguments = {};
  if (call.kind == CallKind::kCopies) {
    const Story& source = story_of(traced);
    opening.arguments = {};
    opening.kind = call.on.kind;
    opening.path = call.on.name;
    if (source.opening_known) {
      opening.first = source.facts.copied_from.value_or(source.facts.opened);
      opening.first_opener = source.facts.opener;
      opening.of_given = source.told_by && source.told_by->of_given;
    } else if (source.facts.before_attach) {
      opening.of_given = true;
      opening.first = traced.use;  // nobody here has opened it, but the number is this call's
    }
  }
  x_last[call.thread] = opening;
}

void Tracker::end(const ProcessId& process) {
  x_begun.erase(process);
  x_loose.erase(process);
  x_accepts.erase(process);
}

void Tracker::forget_numbers(const ProcessId& process, int first, int last) {
  const auto from = x_stories.lower_bound({0, {process, first}});
  const auto to = x_stories.upper_bound({0, {process, last}});
  for (auto entry = from; entry != to; ++entry) drop_key(entry->first, entry->second);
  x_stories.erase(from, to);
}

}  // namespace unclosed
