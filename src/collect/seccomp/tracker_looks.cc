// What the looks at the tables show, joined with what the calls told.
#include <algorithm>
#include <utility>

#include "collect/seccomp/tracker.h"

namespace unclosed {

void Tracker::put_into(ConnectionFacts& facts, const Story& story) const {
  const ConnectionFacts& told = story.facts;
  // A standard stream that was put back is what the service was given.
  const bool as_before = facts.before_attach && story.told_by && story.told_by->of_given;
  if (story.opening_known && !as_before) {
    facts.opened = told.opened;
    facts.copied_from = told.copied_from;
    facts.opener = told.opener;
    facts.before_attach = false;
  }
  if (facts.role == Role::kUnknown) facts.role = told.role;
  if (!facts.peer.known() && facts.state != TcpState::kListen) facts.peer = told.peer;
  facts.duplicated = told.duplicated;
  facts.requests = told.requests;
  facts.tenure = told.tenure;
  facts.opening_in_tenure = told.opening_in_tenure;
  facts.request_count = told.request_count;
  facts.tenure_count = told.tenure_count;
  // The kernel tells times of TCP in steps of some ms, for sends and receives alike: a finer time
  // of the send alone would make its answer look older. Of other kinds no receive is known at all:
  // whoever sent last is taken for waiting, and never for idle.
  if (facts.kind != Kind::kTcp && told.last_send) facts.last_send = told.last_send;
}

void Tracker::complete(ConnectionFacts& facts, const std::vector<Descriptor>& descriptors,
                       Instant began) {
  if (descriptors.empty()) return;
  const bool socket = is_socket(facts.kind);
  const Key key = socket ? Key{facts.inode, {}} : Key{0, descriptors.front()};
  if (const auto known = x_stories.find(key);
      known != x_stories.end() && known->second.closed && known->second.closed->at < began) {
    replaced(key, known->second);
  }
  const auto gone = x_replaced.find(facts.id);
  if (gone != x_replaced.end() && gone->second.first != key) x_replaced.erase(gone);
  Story& story = taken_over(key, facts);
  if (story.began == Instant()) story.began = began;
  if (!socket && story.looked_at && story.facts.id != facts.id) story = {};  // it vanished
  doubt_opening(story, facts, descriptors.front().process);
  if (!story.opening_known && !story.looked_at && facts.before_attach) {
    story.inherited = false;
  } else if (!story.opening_known && !story.looked_at) {
    const auto opening = opening_for(facts, descriptors.front(), began);
    if (opening && opening->use.at <= began) tell_opening(story, *opening);
    story.inherited = false;
    const bool told = story.facts.id.generation != 0;
    if (!told && !story.facts.copied_from) ++x_opened;
  }
  if (story.closed && story.closed->at < began) story.closed.reset();  // another refers to it still
  put_into(facts, story);
  note_accept(story, facts);
  if (!story.opening_known && !facts.before_attach) facts.opened.stack = accepted_like(facts);
  story.facts = facts;
  story.looked_at = true;
  story.look = x_looks;
  x_keys[facts.id] = key;
  if (!socket) share(story, descriptors, began);
}

std::optional<Closed> Tracker::closed(const ConnectionId& id) {
  if (const auto replaced = x_replaced.extract(id)) {
    if (replaced.mapped().second.facts.copied_from) ++x_copies_gone;
    return replaced.mapped().second;
  }
  const auto key = x_keys.find(id);
  if (key == x_keys.end()) return std::nullopt;
  const auto story = x_stories.find(key->second);
  std::optional<Closed> answer;
  if (story != x_stories.end() && story->second.facts.id == id) {
    if (story->second.facts.copied_from) ++x_copies_gone;
    if (story->second.closed) {
      answer = Closed{story->second.closed->at, story->second.facts, *story->second.closed};
    }
    x_stories.erase(story);
  }
  x_keys.erase(key);
  return answer;
}

std::vector<Tracker::Left> Tracker::left_by(const ProcessId& process) const {
  std::vector<Left> left;
  if (x_told == ToldCalls::kOfGo) return left;
  for (const auto& [key, story] : x_stories) {
    const bool own = key.inode != 0 ? story.facts.opener == process : key.place.process == process;
    if (!own || !story.opening_known || story.closed || story.looked_at || story.inherited) {
      continue;
    }
    left.push_back({story.facts, {process, story.fd}});
  }
  return left;
}

void Tracker::finish_look(Instant began, const std::function<void(const Closed&)>& tell) {
  for (auto& [id, replaced] : std::exchange(x_replaced, {})) {
    replaced.second.facts.id.generation = kOwnGeneration | ++x_generation;
    x_gone.push_back(std::move(replaced.second));
  }
  for (const Closed& closed : std::exchange(x_gone, {})) {
    if (x_taken_over.contains(closed.facts.id)) continue;
    tell(closed);
    if (!closed.facts.copied_from) ++x_closed_unseen;
  }
  for (auto entry = x_stories.begin(); entry != x_stories.end();) {
    Story& story = entry->second;
    const bool later = story.closed ? story.closed->at >= began : story.began >= began;
    if (story.look == x_looks && (story.looked_at || later)) {
      ++entry;
      continue;
    }
    // A socket that was in no table: nobody told of its close.
    const bool untold = x_told == ToldCalls::kOfGo && !story.closed && !story.looked_at && !later &&
                        entry->first.inode != 0;
    if (untold) story.closed = Use{kNoStack, story.named_at, {}};
    if (story.closed && !later && is_last(entry->first, story)) {
      tell({story.closed->at, story.facts, *story.closed});
      if (!story.facts.copied_from) ++x_closed_unseen;
    }
    const bool keep = later;
    drop_key(entry->first, story);
    entry = keep ? std::next(entry) : x_stories.erase(entry);
  }
  ++x_looks;
  x_taken_over.clear();
  for (auto& [process, loose] : x_loose) {
    std::erase_if(loose, [&](const auto& entry) { return entry.second.opening.use.at < began; });
  }
  std::erase_if(x_numbered, [&](const auto& entry) { return entry.second.at < began; });
}

}  // namespace unclosed
