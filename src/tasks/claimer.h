// The keeper's left hand: decides when to ask the store for jobs and for how many, and knows which
// ones this node holds.
//
// A job is held from its claim until its outcome arrives (settle) or it is given back. Bounds: a
// node holds as many jobs as it finished lately (pace.h), at least one a thread and at most
// prefetch_max more: behind slow jobs nothing waits as RUNNING. What was claimed ahead all the same
// is given back when no thread came for it within prefetch_patience_ms. The store is asked
// only when somebody may have written jobs and the ready queue runs low, so that a wake costs no
// SQL while everything is busy and prefetched.
//
// Suspects, jobs whose earlier attempt died with its process, run alone: one is begun only when
// nothing else is held, and nothing is claimed while it runs. A busy queue cannot starve them: a
// suspect known for kSuspectPatienceMs stops other claims until the node is idle. Then it is the
// suspects' turn, one after another for kSuspectTurnMs (one crash makes suspects of all that was
// claimed then, most of them quick and innocent); after it the others have kSuspectPatienceMs to
// themselves.
//
// Keeper thread only, except where noted.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "dispatch/queue.h"
#include "tasks/pace.h"
#include "tasks/store.h"
#include "tasks/ticker.h"

namespace corral::tasks {

constexpr Milliseconds kSuspectPatienceMs = 5'000;
constexpr Milliseconds kSuspectTurnMs = 1'000;

class Claimer {
 public:
  Claimer(Store& store, dispatch::Queue<Job>& ready, int threads, const TaskLimits& limits);

  // The most jobs a node of so many threads holds. Beside them the ready queue may have a tick.
  static int capacity_of(int threads, const TaskLimits& limits) {
    return threads + limits.prefetch_max;
  }

  // Any thread: jobs may have been written. True when that is news.
  bool ask() { return !asked_.exchange(true); }
  bool is_asked() const { return asked_.load(); }
  // Any thread: this node wrote jobs, of which others should hear if they do not fit here. True
  // when that is news to the keeper.
  bool tell() { return announces_.load() && !told_.exchange(true); }
  bool announces() const { return announces_.load(); }
  // Any thread: threads have nothing to begin, or soon will although there may be more. Then no
  // outcome should wait, as the keeper has to ask the store anyway.
  bool is_hungry() const { return ready_.depth() <= (is_asked() ? low_water_.load() : 0); }

  // After Store::open() and Store::beat(): rows may have changed hands.
  void opened(Milliseconds now_ms);
  void beaten(int rescued, Milliseconds now_ms);
  // The database said that other programs wrote jobs. They say so once for several commits, so a
  // second look follows.
  void heard(Milliseconds now_ms);
  // That look is still to come, and sees what is written until then: no news need be heard before.
  // So a database that is written to all the time does not keep the keeper busy.
  bool awaits_echo() const { return echo_at_ms_ != kNever; }
  // True, once, when jobs that this node wrote do not fit here.
  bool take_surplus() { return told_.exchange(false) && is_asked(); }

  // An attempt is over. False when the job is not held (it was given back meanwhile).
  bool settle(const Outcome& outcome, Milliseconds now_ms);

  // The outcome of a tick, of which nothing is written; false for a job's.
  bool settle_tick(const Outcome& outcome, Milliseconds now_ms) {
    return ticker_.settle(outcome, now_ms);
  }

  // When work() next has something to ask the store; kNever while only an event can change that.
  Milliseconds work_at(Milliseconds now_ms) const;
  // Asks the store what there is to ask now, and fills the ready queue.
  Result<void> work(Milliseconds now_ms);

  // Drain: nothing further is handed out; what was not begun, or all that is held, is to be
  // released.
  void give_back_unbegun(Milliseconds now_ms);
  // Those that run. Returns how many; what must not run again goes to `ended` instead, as failed.
  int give_back_running(std::vector<Outcome>& ended);
  bool has_releases() const { return !releases_.empty(); }
  // Writes the releases; repeat it after a failure.
  Result<void> release();

  bool is_ticking() const { return ticker_.is_in_hand(); }
  bool holds(const std::string& id, std::int64_t lease) const {
    return held_.contains({id, lease});
  }
  // Jobs that no thread has begun.
  bool has_unbegun() const { return ready_.depth() > 0; }
  // Gives those back, to be claimed again.
  Result<void> give_back_stale(Milliseconds now_ms);

  int held() const { return static_cast<int>(held_.size()); }

 private:
  // none: no suspect waits; unknown: look; known: one waits since known_at_ms_.
  enum class Suspicion : std::uint8_t { none, unknown, known };
  using Key = std::pair<std::string, std::int64_t>;  // id, lease: a job can come back while its old
                                                     // attempt still runs

  int prefetch(Milliseconds now_ms) const;
  int free_slots(Milliseconds now_ms) const { return threads_ + prefetch(now_ms) - held(); }
  bool has_room(Milliseconds now_ms) const {
    return free_slots(now_ms) > 0 && jobs_waiting() <= low_water_.load();
  }
  // In the ready queue. A tick there is no job: it must not keep plain ones from being claimed, or
  // a suspect would come first.
  std::size_t jobs_waiting() const {
    const std::size_t depth = ready_.depth();
    return depth > 0 && ticker_.is_in_hand() ? depth - 1 : depth;
  }
  bool is_suspects_turn(Milliseconds now_ms) const;
  Milliseconds stale_at() const;
  Milliseconds jobs_at(Milliseconds now_ms) const;
  Result<void> look(Milliseconds now_ms);
  Result<void> claim_ready(Milliseconds now_ms);
  Result<void> claim_suspect(Milliseconds now_ms);
  void take(std::vector<Job>& jobs);
  void take_back_unbegun(Milliseconds now_ms);
  void plan_next(bool got_jobs, Milliseconds next_due_ms, Milliseconds now_ms);

  Store& store_;
  dispatch::Queue<Job>& ready_;
  Ticker ticker_;
  const int threads_;
  const int batch_max_;
  const Milliseconds poll_interval_ms_;
  const Milliseconds prefetch_span_ms_;
  const Milliseconds prefetch_patience_ms_;

  std::atomic<bool> asked_{true};
  std::atomic<bool> announces_{false};
  std::atomic<bool> told_{false};
  std::atomic<std::size_t> low_water_{0};  // half of what the last claim might prefetch
  struct Held {
    bool at_most_once;
  };
  std::map<Key, Held> held_;
  Pace pace_;
  Milliseconds claim_took_ms_ = 0;  // the last one
  Milliseconds moved_at_ms_ = 0;    // when a job last came or ended
  std::vector<Job> releases_;
  Milliseconds due_at_ms_ = kNever;   // when a job that waits for its time may run
  Milliseconds due_pause_ms_ = 1;     // grows while a due job cannot be had, so that nothing spins
  Milliseconds look_at_ms_ = 0;       // when to ask changed()
  Milliseconds echo_at_ms_ = kNever;  // when to look again after heard()
  Suspicion suspicion_ = Suspicion::unknown;
  Milliseconds known_at_ms_ = 0;
  Milliseconds turn_end_ms_ = 0;  // of the suspects' turn
  bool alone_ = false;            // the only held job is a suspect
};

}  // namespace corral::tasks
