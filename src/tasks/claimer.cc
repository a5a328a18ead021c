#include "tasks/claimer.h"

#include <algorithm>

#include "base/check.h"

namespace corral::tasks {
namespace {

constexpr Milliseconds kDuePauseMaxMs = 1'000;
// A little more than the time in which a program does not repeat its NOTIFY
// (python/corral/tasks/notify.py).
constexpr Milliseconds kEchoMs = 12;
constexpr Milliseconds kPrefetchSpanMaxMs = 2'000;

}  // namespace

Claimer::Claimer(Store& store, dispatch::Queue<Job>& ready, int threads, const TaskLimits& limits)
    : store_(store),
      ready_(ready),
      ticker_(store, ready),
      threads_(threads),
      batch_max_(limits.claim_batch_max),
      poll_interval_ms_(limits.poll_interval_ms),
      prefetch_span_ms_(limits.prefetch_span_ms),
      prefetch_patience_ms_(limits.prefetch_patience_ms),
      pace_(capacity_of(threads, limits)) {
  CORRAL_CHECK(threads > 0 && limits.prefetch_max >= 0 && batch_max_ > 0, "limits of a keeper");
}

void Claimer::opened(Milliseconds now_ms) {
  asked_.store(true);
  announces_.store(store_.announces());
  due_at_ms_ = kNever;
  look_at_ms_ = now_ms + poll_interval_ms_;
  ticker_.look(now_ms);
  if (suspicion_ == Suspicion::none) suspicion_ = Suspicion::unknown;
}

void Claimer::beaten(int rescued, Milliseconds now_ms) {
  ticker_.look(now_ms);
  announces_.store(store_.announces());
  if (rescued > 0) asked_.store(true);
  if (suspicion_ == Suspicion::none) suspicion_ = Suspicion::unknown;
}

void Claimer::heard(Milliseconds now_ms) {
  asked_.store(true);
  echo_at_ms_ = now_ms + kEchoMs;
}

bool Claimer::settle(const Outcome& outcome, Milliseconds now_ms) {
  if (held_.erase(Key{outcome.id, outcome.lease}) == 0) return false;
  if (outcome.status == JobStatus::retry) asked_.store(true);  // its row is READY once written
  pace_.note(now_ms);
  moved_at_ms_ = now_ms;
  if (alone_) known_at_ms_ = now_ms;  // the patience with the next suspect begins
  if (held_.empty()) alone_ = false;
  return true;
}

// How many more than its threads the node finished lately: within the span, or, where that is
// longer, within about two rounds of claiming and finishing, so that a slow database is asked for
// more.
int Claimer::prefetch(Milliseconds now_ms) const {
  const Milliseconds rounds_ms = std::min(4 * claim_took_ms_, kPrefetchSpanMaxMs);
  return std::max(0, pace_.jobs(now_ms, std::max(prefetch_span_ms_, rounds_ms)) - threads_);
}

bool Claimer::is_suspects_turn(Milliseconds now_ms) const {
  if (suspicion_ != Suspicion::known) return false;
  return now_ms < turn_end_ms_ || now_ms - known_at_ms_ >= kSuspectPatienceMs;
}

// When what was claimed ahead has waited in vain: every thread is at something slow. A tick among
// it is handed out again at once.
Milliseconds Claimer::stale_at() const {
  if (alone_ || ready_.depth() == 0) return kNever;
  return moved_at_ms_ + prefetch_patience_ms_;
}

Milliseconds Claimer::work_at(Milliseconds now_ms) const {
  return std::min(ticker_.work_at(), jobs_at(now_ms));
}

Milliseconds Claimer::jobs_at(Milliseconds now_ms) const {
  if (alone_) return kNever;
  const Milliseconds stale_ms = stale_at();
  if (is_suspects_turn(now_ms)) return held_.empty() ? now_ms : stale_ms;
  if (suspicion_ == Suspicion::unknown) return now_ms;
  if (suspicion_ == Suspicion::known && held_.empty()) return now_ms;
  if (!has_room(now_ms)) return stale_ms;
  if (is_asked()) return now_ms;
  return std::min(
      {stale_ms, due_at_ms_, echo_at_ms_, poll_interval_ms_ > 0 ? look_at_ms_ : kNever});
}

Result<void> Claimer::work(Milliseconds now_ms) {
  auto ticked = ticker_.work(now_ms);
  if (!ticked) return ticked.error();
  if (*ticked) moved_at_ms_ = now_ms;
  if (alone_) return {};
  if (now_ms >= stale_at()) {
    if (auto given_back = give_back_stale(now_ms); !given_back) return given_back;
  }
  if (is_suspects_turn(now_ms)) {
    if (!held_.empty()) return {};
    return claim_suspect(now_ms);
  }
  if (has_room(now_ms)) {
    if (auto looked = look(now_ms); !looked) return looked;
    if (is_asked()) {
      if (auto claimed = claim_ready(now_ms); !claimed) return claimed;
    }
  }
  return claim_suspect(now_ms);
}

// Rows can appear without a wake: their time has come, or another program wrote them.
Result<void> Claimer::look(Milliseconds now_ms) {
  if (now_ms >= echo_at_ms_) {
    echo_at_ms_ = kNever;
    asked_.store(true);
  }
  if (is_asked()) return {};
  if (now_ms >= due_at_ms_) {
    due_at_ms_ = kNever;
    asked_.store(true);
    return {};
  }
  if (poll_interval_ms_ <= 0 || now_ms < look_at_ms_) return {};
  look_at_ms_ = now_ms + poll_interval_ms_;
  auto changed = store_.changed();
  if (!changed) return changed.error();
  if (*changed) asked_.store(true);
  return {};
}

Result<void> Claimer::claim_ready(Milliseconds now_ms) {
  const int limit = std::min(free_slots(now_ms), batch_max_);
  low_water_.store(static_cast<std::size_t>(prefetch(now_ms) / 2));
  ticker_.look_soon(now_ms);
  asked_.store(false);  // before the query: a commit that the query does not see asks again
  const Milliseconds began_ms = monotonic_ms();
  auto claim = store_.claim(limit, Store::Suspects::none);
  claim_took_ms_ = monotonic_ms() - began_ms;
  if (!claim) return claim.error();  // opened() will ask again
  const int got = static_cast<int>(claim->jobs.size());
  CORRAL_CHECK(got <= limit, "a store returned more jobs than were asked for");
  take(claim->jobs);
  moved_at_ms_ = now_ms;
  look_at_ms_ = now_ms + poll_interval_ms_;
  if (got == limit) {
    asked_.store(true);  // there may be more
    due_pause_ms_ = 1;
  } else {
    plan_next(got > 0, claim->next_due_ms, now_ms);
  }
  return {};
}

void Claimer::plan_next(bool got_jobs, Milliseconds next_due_ms, Milliseconds now_ms) {
  due_at_ms_ = kNever;
  if (got_jobs || next_due_ms > due_pause_ms_) due_pause_ms_ = 1;
  if (next_due_ms < 0) return;
  // The store rounds down, so a millisecond is added rather than asking just too early.
  due_at_ms_ = now_ms + std::max(next_due_ms + 1, due_pause_ms_);
  due_pause_ms_ = std::min(due_pause_ms_ * 2, kDuePauseMaxMs);
}

// With nothing held, takes a suspect and runs it. Otherwise only finds out whether one waits: it is
// claimed and given back at once, because a job that is merely held could be charged with the crash
// of another.
Result<void> Claimer::claim_suspect(Milliseconds now_ms) {
  const bool idle = held_.empty();
  if (suspicion_ == Suspicion::none || (suspicion_ == Suspicion::known && !idle)) return {};
  auto claim = store_.claim(1, Store::Suspects::one);
  if (!claim) return claim.error();
  CORRAL_CHECK(claim->jobs.size() <= 1, "a store returned more than one suspect");
  if (claim->jobs.empty()) {
    suspicion_ = Suspicion::none;
    return {};
  }
  suspicion_ = Suspicion::known;
  if (!idle) {
    known_at_ms_ = now_ms;
    releases_.push_back(std::move(claim->jobs.front()));
    return release();
  }
  if (now_ms >= turn_end_ms_) turn_end_ms_ = now_ms + kSuspectTurnMs;
  alone_ = true;
  take(claim->jobs);
  return {};
}

void Claimer::take(std::vector<Job>& jobs) {
  for (Job& job : jobs) {
    const bool is_new = held_.emplace(Key{job.id, job.lease}, Held{job.at_most_once}).second;
    CORRAL_CHECK(is_new, "a store returned the same attempt twice");
    const auto admission = ready_.push(job);
    CORRAL_CHECK(admission == dispatch::Admission::admitted,
                 "the ready queue holds all that may be claimed");
  }
}

void Claimer::give_back_unbegun(Milliseconds now_ms) {
  take_back_unbegun(now_ms);
  ready_.close();
}

void Claimer::take_back_unbegun(Milliseconds now_ms) {
  for (Job& job : ready_.drain()) {
    if (ticker_.take_back(job, now_ms)) continue;
    held_.erase(Key{job.id, job.lease});
    releases_.push_back(std::move(job));
  }
  if (held_.empty()) alone_ = false;
}

Result<void> Claimer::give_back_stale(Milliseconds now_ms) {
  take_back_unbegun(now_ms);
  asked_.store(true);  // they wait in the store again
  return release();
}

int Claimer::give_back_running(std::vector<Outcome>& ended) {
  const int running = held();
  for (const auto& [key, held] : held_) {
    if (held.at_most_once) {
      ended.push_back({key.first, key.second, JobStatus::failed,
                       "the node stopped while this job ran, which runs at most once"});
      continue;
    }
    Job job;
    job.id = key.first;
    job.lease = key.second;
    releases_.push_back(std::move(job));
  }
  held_.clear();
  return running;
}

Result<void> Claimer::release() {
  if (releases_.empty()) return {};
  auto released = store_.release(releases_);
  if (!released) return released;
  releases_.clear();
  return {};
}

}  // namespace corral::tasks
