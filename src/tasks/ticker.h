// When the schedules are looked at, and the tick that a thread has in hand.
//
// A tick is an errand for a task thread: enqueue what the schedules have due. It travels as a Job
// without a row, so nothing is held, charged or written for it. How long until the next one, the
// store says; it is asked when something may have changed that: after a tick, after a beat, and at
// most once per kLookAgainMs when jobs are asked for, since a wake may also mean a changed
// schedule. An idle node without schedules adds one cheap question to each beat.
//
// Whether something is due is decided where the tick runs, by the database's clock and by a
// compare-and-set there: a tick too many, on this node or another, does nothing. Keeper thread
// only.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "dispatch/queue.h"
#include "tasks/store.h"

namespace corral::tasks {

constexpr Milliseconds kLookAgainMs = 1'000;
constexpr Milliseconds kTickPauseMinMs = 10;  // after a tick that could not do all, doubled to
constexpr Milliseconds kTickPauseMaxMs = 250;
constexpr Milliseconds kTickPatienceMs = 60'000;  // a tick whose thread is silent so long is lost

class Ticker {
 public:
  Ticker(Store& store, dispatch::Queue<Job>& ready) : store_(store), ready_(ready) {}

  // After Store::open() and Store::beat().
  void look(Milliseconds now_ms) {
    if (has_schedules_) look_at_ms_ = now_ms;
  }
  // Jobs are asked for.
  void look_soon(Milliseconds now_ms);

  // When work() has something to do; kNever while only an event can change that.
  Milliseconds work_at() const;
  // Asks the store where that is needed; puts a due tick into the ready queue, at most one at a
  // time. True when it did.
  Result<bool> work(Milliseconds now_ms);

  // The outcome of a tick; false for that of a job.
  bool settle(const Outcome& outcome, Milliseconds now_ms);
  // Its tick came back out of the ready queue and will be handed out again; false for a job.
  bool take_back(const Job& job, Milliseconds now_ms);

  bool is_in_hand() const { return is_in_hand_; }

 private:
  bool is_lost(Milliseconds now_ms) const;
  Result<void> ask_store(Milliseconds now_ms);
  void hand_out(Milliseconds now_ms);

  Store& store_;
  dispatch::Queue<Job>& ready_;
  Milliseconds look_at_ms_ = kNever;
  Milliseconds looked_at_ms_ = -kLookAgainMs;
  Milliseconds due_at_ms_ = kNever;
  Milliseconds pause_ms_ = 0;
  bool has_schedules_ = true;     // false once the store said that it never has any
  bool is_synchronised_ = false;  // a tick has compared the table with what the code declares
  bool is_in_hand_ = false;
  Milliseconds handed_at_ms_ = 0;
  std::int64_t serial_ = 0;  // of the tick in hand; its lease
};

}  // namespace corral::tasks
