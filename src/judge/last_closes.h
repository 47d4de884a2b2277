// The closes of the last moment, kept on the way from a collector to the ledger: where a process
// ends, what it closed just before was closed by its end. It cannot know of closes that nobody
// told. One thread at a time.
#pragma once

#include <deque>
#include <vector>

#include "model/record.h"

namespace unclosed {

struct LastClose {
  ConnectionId id;
  Instant at;
  std::optional<Instant> used;  // the last send or receive
  StackId by = kNoStack;
};

class LastCloses final : public RecordSink {
 public:
  explicit LastCloses(RecordSink& next) : x_next(next) {}
  // Hands on every record.
  void accept(const Record& record) override;
  // Those of the last second before the last one; none unless a process whose end was noticed at
  // `noticed` may have closed it as it ended.
  std::vector<LastClose> before(Instant noticed) const;

 private:
  RecordSink& x_next;
  std::deque<LastClose> x_closes;  // in the order of their coming; bounded
};

}  // namespace unclosed
