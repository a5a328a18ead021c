// When the store is asked for jobs whose end was asked for, and what becomes of those that this
// node holds: one that runs is interrupted, one that no thread has begun goes back, and the store
// ends it.
//
// The store is asked when somebody says that there is news, after a beat, and once per poll
// interval while this node holds jobs. Keeper thread only, except where noted.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "tasks/claimer.h"
#include "tasks/store.h"

namespace corral::tasks {

class Canceller {
 public:
  // Interrupts the thread that runs this attempt; false when none does. May be repeated.
  using Interrupt = std::function<bool(const std::string& id, std::int64_t lease)>;

  Canceller(Store& store, Claimer& claimer, Interrupt interrupt, Milliseconds poll_interval_ms)
      : store_(store),
        claimer_(claimer),
        interrupt_(std::move(interrupt)),
        poll_interval_ms_(poll_interval_ms) {}

  // Any thread: jobs may have been cancelled. True when that is news.
  bool ask() { return !asked_.exchange(true); }
  // The database said that other programs wrote something: perhaps a cancel, so it is looked, but
  // not after each of their commits.
  void heard() { has_heard_ = claimer_.held() > 0; }

  Milliseconds work_at() const;
  Result<void> work(Milliseconds now_ms);

 private:
  Store& store_;
  Claimer& claimer_;
  const Interrupt interrupt_;
  const Milliseconds poll_interval_ms_;
  std::atomic<bool> asked_{false};
  Milliseconds looked_at_ms_ = 0;
  bool has_heard_ = false;
  bool expects_ends_ = false;  // a cancelled job was here: it may wait again, to be ended
};

}  // namespace corral::tasks
