#include "tasks/finisher.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"
#include "tasks/claimer.h"

namespace corral::tasks {

Finisher::Finisher(Store& store, const TaskLimits& limits)
    : store_(store),
      batch_max_(static_cast<std::size_t>(limits.finish_batch_max)),
      delay_max_ms_(limits.finish_delay_max_ms) {
  CORRAL_CHECK(limits.finish_batch_max > 0, "limits of a keeper");
}

bool Finisher::push(Outcome outcome, bool is_hungry) {
  std::lock_guard lock(mutex_);
  pending_.push_back(std::move(outcome));
  if (pending_.size() == 1) pending_since_ms_ = monotonic_ms();
  return pending_.size() == 1 || is_hungry || pending_.size() >= batch_max_;
}

Milliseconds Finisher::due_at(Milliseconds now_ms, bool is_hungry) const {
  if (!unwritten_.empty()) return now_ms;
  std::lock_guard lock(mutex_);
  if (pending_.empty()) return kNever;
  if (is_hungry || pending_.size() >= batch_max_) return now_ms;
  return pending_since_ms_ + delay_max_ms_;
}

std::vector<Outcome> Finisher::take_pending() {
  std::lock_guard lock(mutex_);
  return std::exchange(pending_, {});
}

Result<int> Finisher::flush() {
  int late = 0;
  std::size_t written = 0;
  Result<int> result = 0;
  while (result && written < unwritten_.size()) {
    const std::size_t count = std::min(batch_max_, unwritten_.size() - written);
    result = store_.finish(std::span(unwritten_).subspan(written, count));
    if (!result) break;
    late += *result;
    written += count;
  }
  unwritten_.erase(unwritten_.begin(), unwritten_.begin() + static_cast<std::ptrdiff_t>(written));
  if (!result) return result;
  return late;
}

}  // namespace corral::tasks
