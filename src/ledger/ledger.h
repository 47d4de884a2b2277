// The ledger: folds records into histories of open connections and statistics of closed ones.
// Pure: no files, no clock, no threads of its own; the same records give the same histories. It
// cannot know what no collector recorded: lost intervals are kept as gaps for the judge. One thread
// at a time.
#pragma once

#include <memory>

#include "model/history.h"
#include "model/record.h"

namespace unclosed {

class Ledger final : public RecordSink {
 public:
  static constexpr size_t kMostCopied = 12'000;
  // `attached`: when recording began; what was open then has no opening.
  explicit Ledger(Instant attached);
  ~Ledger() override;
  Ledger(Ledger&&) noexcept;
  Ledger& operator=(Ledger&&) noexcept;

  void accept(const Record& record) override;
  // A copy of all that is known at `now`. Of more than kMostCopied open connections, those of the
  // largest cohorts that were used last are thinned out: the rest stands for them.
  Histories histories(Instant now) const;
  // The same at the end: what is handed over is given up here, so that both never stand in memory.
  Histories take_histories(Instant now) &&;

 private:
  struct State;
  std::unique_ptr<State> x_state;
};

}  // namespace unclosed
