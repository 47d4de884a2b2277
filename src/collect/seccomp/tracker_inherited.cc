// What a child has from its parent: one connection under two numbers.
#include "collect/seccomp/tracker.h"

#include <utility>

namespace unclosed {

void Tracker::begin(const ProcessId& process, const std::optional<ProcessId>& parent,
                    Instant forked) {
  if (!x_begun.insert(process).second || !parent) return;
  const auto loosen_copy = [&](Opening opening, uint32_t count) {
    if (!opening.parent) opening.parent = opening.process;
    opening.process = process;
    loosen(opening, count);
  };
  std::vector<std::pair<Key, Story>> inherited;
  for (auto entry = x_stories.lower_bound({0, {*parent, 0}});
       entry != x_stories.end() && entry->first.place.process == *parent; ++entry) {
    if (entry->first.inode != 0) continue;
    Story story = entry->second;
    if (story.closed) {
      // Times of forks are coarse: it may have been closed before, and the number another's then.
      if (story.closed->at < forked || !story.told_by) continue;
      story.told_by->fd = entry->first.place.fd;
      loosen_copy(*story.told_by, 1);
      continue;
    }
    story.inherited = true;
    inherited.push_back({{0, {process, entry->first.place.fd}}, std::move(story)});
  }
  for (auto& [key, story] : inherited) x_stories.try_emplace(key, std::move(story));
  for (const auto& [thread, opening] : x_last) {
    if (opening.process == *parent) {
      loosen_copy(opening, numbers_left(opening));
    }
  }
  const auto loose = x_loose.find(*parent);
  if (loose == x_loose.end()) return;
  for (const auto& [key, one] : std::map(loose->second)) {
    loosen_copy(one.opening, one.count);
  }
}

void Tracker::was_given(const Descriptor& place, uint64_t inode) {
  Story& story = x_stories[inode != 0 ? Key{inode, {}} : Key{0, place}];
  story.facts.inode = inode;
  story.facts.opener = place.process;
  story.facts.before_attach = true;
  story.inherited = true;
}

void Tracker::drop_key(const Key& key, const Story& story) {
  const auto known = x_keys.find(story.facts.id);
  if (known != x_keys.end() && known->second == key) x_keys.erase(known);
}

// Whether its end is the end of the connection: a child's number goes, and its parent's stays.
bool Tracker::is_last(const Key& key, const Story& story) const {
  if (story.inherited || x_taken_over.contains(story.facts.id)) return false;
  const auto known = x_keys.find(story.facts.id);
  return known == x_keys.end() || known->second == key;
}

// What is told of a connection that is looked at under another number than before: its parent's
// was closed, and the child's is left.
Tracker::Story& Tracker::taken_over(const Key& key, const ConnectionFacts& facts) {
  Story& story = x_stories[key];
  const auto before = x_keys.find(facts.id);
  if (before != x_keys.end() && before->second != key) {
    const auto theirs = x_stories.find(before->second);
    const auto closed = story.closed;
    if (theirs != x_stories.end() && theirs->second.facts.id == facts.id) story = theirs->second;
    story.closed = closed;
  }
  const bool first_look = story.inherited && !story.looked_at;
  if (first_look && story.opening_known && !is_socket(facts.kind) &&
      story.facts.kind != facts.kind && facts.kind != Kind::kFifo) {
    return story = {};  // not its parent's
  }
  if (first_look) x_taken_over.insert(story.facts.id);
  story.inherited = false;
  return story;
}

// The other numbers of a connection that is no socket: a child's, by which it is not opened anew.
void Tracker::share(const Story& story, const std::vector<Descriptor>& descriptors,
                    Instant began) {
  for (size_t i = 1; i < descriptors.size(); ++i) {
    Story& other = x_stories[{0, descriptors[i]}];
    const auto closed = other.closed;
    other = story;
    other.inherited = true;
    other.closed = closed && closed->at >= began ? closed : std::nullopt;
  }
}

}  // namespace unclosed
