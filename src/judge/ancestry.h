// Who started the goroutine or thread that opened, used or was handed a connection: the last that
// tells, where no stack holds own code. The go statement, or the stack under which the thread was
// made, may hold some all the same. It tells who wanted the connection only if it was run for that
// one: what serves several, a loop or a worker of a pool, was started on behalf of nobody in
// particular. It cannot know who made a thread before the attach. Immutable after construction; any
// thread.
#pragma once

#include <map>
#include <optional>

#include "judge/scene.h"
#include "model/finding.h"

namespace unclosed {

class Ancestry {
 public:
  explicit Ancestry(const Scene& scene);
  struct Starter {
    const OwnFrame* frame;
    BlameRole role;  // of the use whose goroutine or thread it started
  };
  // nullopt: not known, or it was not started for this connection.
  std::optional<Starter> of(const ConnectionFacts& facts) const;

 private:
  void add(const ConnectionFacts& facts);
  const Stacks& x_stacks;
  // Of stacks without own frames: the connections on which each goroutine or thread was seen with
  // it.
  std::map<StackId, std::map<uint64_t, uint64_t>> x_seen;
};

}  // namespace unclosed
