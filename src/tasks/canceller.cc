#include "tasks/canceller.h"

namespace corral::tasks {
namespace {

constexpr Milliseconds kNewsPauseMs = 100;

}  // namespace

Milliseconds Canceller::work_at() const {
  if (asked_.load()) return 0;
  if (has_heard_) return looked_at_ms_ + kNewsPauseMs;
  const bool polls = poll_interval_ms_ > 0 && (expects_ends_ || claimer_.held() > 0);
  return polls ? looked_at_ms_ + poll_interval_ms_ : kNever;
}

Result<void> Canceller::work(Milliseconds now_ms) {
  if (now_ms < work_at()) return {};
  asked_.store(false);  // before the question: what it does not see asks again
  has_heard_ = false;
  looked_at_ms_ = now_ms;
  auto ours = store_.cancelled();
  if (!ours) {
    asked_.store(true);
    return ours.error();
  }
  expects_ends_ = !ours->empty();
  bool is_unbegun = false;
  for (const Store::Held& job : *ours) {
    if (claimer_.holds(job.id, job.lease) && !interrupt_(job.id, job.lease)) is_unbegun = true;
  }
  if (!is_unbegun || !claimer_.has_unbegun()) return {};
  // The store ends it and gives us the others again.
  asked_.store(true);
  return claimer_.give_back_stale(now_ms);
}

}  // namespace corral::tasks
