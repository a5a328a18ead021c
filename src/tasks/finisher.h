// The keeper's right hand: gathers outcomes from the task threads and writes them in batches.
//
// A batch is due when it is full, when the threads are hungry (the keeper is about to claim anyway,
// or nothing else is left to do), or when its oldest outcome has waited long enough. Outcomes that
// could not be written are kept, in order, and written again: a repeated write of the same outcome
// changes nothing.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "base/limits.h"
#include "tasks/store.h"

namespace corral::tasks {

class Finisher {
 public:
  Finisher(Store& store, const TaskLimits& limits);

  // Any thread. True when the keeper should hear of it: a batch begins, or is due.
  bool push(Outcome outcome, bool is_hungry);

  // The rest: keeper thread only.

  // When flush() should be called; kNever (claimer.h) with nothing to write.
  Milliseconds due_at(Milliseconds now_ms, bool is_hungry) const;
  // Takes what the task threads pushed; the outcomes for which `keep` is false are dropped, and
  // counted.
  template <typename Keep>
  int collect(Keep keep) {
    int dropped = 0;
    for (Outcome& outcome : take_pending()) {
      if (keep(outcome)) {
        unwritten_.push_back(std::move(outcome));
      } else {
        ++dropped;
      }
    }
    return dropped;
  }
  // An outcome that no task thread pushed.
  void add(Outcome outcome) { unwritten_.push_back(std::move(outcome)); }
  // Writes everything collected. Returns how many came too late to change anything.
  Result<int> flush();

  std::size_t unwritten() const { return unwritten_.size(); }

 private:
  std::vector<Outcome> take_pending();

  Store& store_;
  const std::size_t batch_max_;
  const Milliseconds delay_max_ms_;
  mutable std::mutex mutex_;
  std::vector<Outcome> pending_;       // guarded by mutex_: pushed, not collected
  Milliseconds pending_since_ms_ = 0;  // guarded by mutex_: when the oldest of them came
  std::vector<Outcome> unwritten_;     // owned by the keeper thread: collected, not written
};

}  // namespace corral::tasks
