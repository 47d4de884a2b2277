// What the calls of a service tell of its connections: who opened each, who sent on it last, who
// closed it. A call does not tell which number it gave: that is learnt from the next call that
// names a number nobody knew, or from the next look at the tables; where several openings could be
// meant and their stacks differ, the connection has no opening stack, never a guessed one. Of a Go
// service one accept in four is told: the others have the stack of those at the same address, as
// long as that is one. Pure; one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "collect/seccomp/call.h"
#include "model/connection.h"
#include "model/record.h"

namespace unclosed {

// A call whose stack was walked.
struct TracedCall {
  Call call;  // without its stack's bytes
  ProcessId process;
  Use use;
  bool goroutines = false;  // a Go process: a thread alone does not tell who it is
};

class Tracker {
 public:
  explicit Tracker(ToldCalls told = ToldCalls::kAll) : x_told(told) {}

  void note(const TracedCall& traced);
  // A process of which nothing was known yet, and when it was forked at the earliest: what its
  // parent has, has opened just now or has closed since, it may have inherited.
  void begin(const ProcessId& process, const std::optional<ProcessId>& parent, Instant forked);
  void end(const ProcessId& process);
  // What a process that has ended was told to have opened and not to have closed, and no look has
  // seen: what it had open at its end, where that was not looked at. Empty where not every close is
  // told.
  struct Left {
    ConnectionFacts facts;
    Descriptor place;
  };
  std::vector<Left> left_by(const ProcessId& process) const;
  bool told_of_every_close() const { return x_told == ToldCalls::kAll; }
  // The process had it when it was started: nobody here has opened it. `inode`: of a socket, else
  // 0.
  void was_given(const Descriptor& place, uint64_t inode);

  // Of a connection that is open in a look that began at `began`: adds what is known to its facts.
  void complete(ConnectionFacts& facts, const std::vector<Descriptor>& descriptors, Instant began);
  // Of one that was open at an earlier look and is no longer: how it was closed.
  std::optional<Closed> closed(const ConnectionId& id);
  // At the end of a look that began at `began`: tells of those that came and went between two.
  void finish_look(Instant began, const std::function<void(const Closed&)>& tell);
  // The process has ended, or runs another program: what its numbers meant is over.
  void forget_numbers(const ProcessId& process, int first, int last);

  // Without copies: a further number opens nothing, and its close ends nothing.
  uint64_t opened() const { return x_opened; }
  uint64_t closed_unseen() const { return x_closed_unseen; }
  uint64_t copies_gone() const { return x_copies_gone; }  // of those that looks showed

 private:
  // A socket by its inode, anything else by process and number.
  struct Key {
    uint64_t inode = 0;
    Descriptor place;
    auto operator<=>(const Key&) const = default;
  };
  struct Opening {
    int number = 0;
    std::array<uint64_t, 2> arguments{};
    ProcessId process;
    Use use;
    std::string path;
    // Of a copy: what it was made of.
    Kind kind = Kind::kOther;
    std::optional<Use> first;
    std::optional<ProcessId> first_opener = std::nullopt;
    std::optional<ProcessId> parent = std::nullopt;  // who made it, where it was inherited
    uint32_t given = 0;                              // so many of its numbers are known
    int fd = -1;             // the only number that it can have given
    bool of_given = false;   // a copy of what the service was given
  };
  // Openings of the same kind, by the same stack and thread: the last stands for all.
  struct LooseKey {
    int number = 0;
    std::array<uint64_t, 2> arguments{};
    StackId stack = kNoStack;
    uint32_t thread = 0;
    std::string path;
    int fd = -1;
    auto operator<=>(const LooseKey&) const = default;
  };
  struct Loose {
    Opening opening;
    uint32_t count = 0;  // so many descriptors may come of it
  };
  struct Story {
    ConnectionFacts facts;  // as of the last look; before that what the calls told
    int fd = -1;  // by which it was told of first
    std::optional<Opening> told_by;
    bool opening_known = false, looked_at = false;
    bool accepted = false;   // told so
    bool inherited = false;  // a child's number for what its parent has: neither opened nor closed
    std::optional<Use> closed;
    Instant began;     // when its number was told of, or seen
    Instant named_at;  // by its last call
    uint64_t look = 0;
  };
  // What may have given a number that was added to an epoll.
  struct Numbered {
    std::optional<Opening> told;  // by the same thread just before
    Opening accepted;             // else it was accepted there: that is not told of Go
    Instant at;
  };

  // Ids of connections that no look ever saw; the others are numbered by who looks.
  static constexpr uint64_t kOwnGeneration = uint64_t{1} << 63;

  void drop_key(const Key& key, const Story& story);
  bool is_last(const Key& key, const Story& story) const;
  bool replaced(const Key& key, Story& story);
  void end_story(const Key& key, Story& story, const Use& closed);
  Story& taken_over(const Key& key, const ConnectionFacts& facts);
  void share(const Story& story, const std::vector<Descriptor>& descriptors, Instant began);
  bool another_file(const Story& story, const OpenOn& on) const;
  void doubt_opening(Story& story, const ConnectionFacts& facts, const ProcessId& process);
  static bool fits(const Opening& opening, Kind kind, Role role, const std::string& name);
  static Key key_of(const TracedCall& traced);
  Story& begin_story(const Key& key, const TracedCall& traced);
  Story& story_of(const TracedCall& traced);
  static bool gives(const Opening& opening, const OpenOn& on);
  void note_given(const TracedCall& traced);
  void tell_opening(Story& story, const Opening& opening);
  static LooseKey loose_key(const Opening& opening);
  static uint32_t numbers_left(const Opening& opening);
  void loosen(const Opening& opening);
  void loosen(const Opening& opening, uint32_t count);
  template <class Could>
  std::optional<Opening> own_opening(const ProcessId& process, uint32_t thread, Could could);
  template <class Could>
  std::optional<Opening> only_one(const ProcessId& process, Could could);
  template <class Could>
  std::optional<Opening> only_one_or_received(const ProcessId& process, Could could);
  void note_watch(const TracedCall& traced);
  template <class Could>
  std::optional<Opening> numbered(const Descriptor& place, Could could, Instant before);
  std::optional<Opening> opening_for(const TracedCall& traced);
  std::optional<Opening> opening_for(const ConnectionFacts& facts, const Descriptor& place,
                                     Instant began);
  void note_accept(const Story& story, const ConnectionFacts& facts);
  StackId accepted_like(const ConnectionFacts& facts) const;
  void note_send(Story& story, const TracedCall& traced);
  void put_into(ConnectionFacts& facts, const Story& story) const;

  std::map<Key, Story> x_stories;
  std::unordered_map<ConnectionId, Key, ConnectionIdHash> x_keys;
  std::unordered_map<uint32_t, Opening> x_last;  // by thread: its last call, if that was an opening
  std::map<ProcessId, std::map<LooseKey, Loose>> x_loose;  // whose number is not known yet
  std::set<ProcessId> x_begun;
  std::map<Descriptor, Numbered> x_numbered;
  // By which stacks a process accepts, by the address that the connections came to; without a name:
  // of those whose address nobody looked at.
  std::map<ProcessId, std::map<std::string, std::set<StackId>>> x_accepts;
  std::vector<Closed> x_gone;
  // Looked at, and closed since, under numbers that are named again.
  std::unordered_map<ConnectionId, std::pair<Key, Closed>, ConnectionIdHash> x_replaced;
  // Told of under a parent's number, which is closed, and seen at this look first, under a child's.
  std::unordered_set<ConnectionId, ConnectionIdHash> x_taken_over;
  ToldCalls x_told;
  uint64_t x_looks = 1, x_generation = 0, x_opened = 0, x_closed_unseen = 0;
  uint64_t x_copies_gone = 0;
};

}  // namespace unclosed
