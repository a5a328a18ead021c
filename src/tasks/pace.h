// How many jobs this node finished lately: how many it is worth holding.
//
// With slow jobs that is no more than there are threads, so that what waits stays READY for
// everybody to see and for other nodes to take; with quick ones it is many, so that one claim feeds
// the threads until the next. Keeper thread only; the clock is given.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>

#include "base/clock.h"

namespace corral::tasks {

class Pace {
 public:
  explicit Pace(int jobs_max) : jobs_max_(static_cast<std::size_t>(jobs_max)) {}

  // A job was finished.
  void note(Milliseconds now_ms) {
    finished_at_ms_.push_back(now_ms);
    if (finished_at_ms_.size() > jobs_max_) finished_at_ms_.pop_front();
  }

  // Finished within the last `span_ms`; never more than jobs_max.
  int jobs(Milliseconds now_ms, Milliseconds span_ms) const {
    const auto first =
        std::lower_bound(finished_at_ms_.begin(), finished_at_ms_.end(), now_ms - span_ms);
    return static_cast<int>(finished_at_ms_.end() - first);
  }

 private:
  const std::size_t jobs_max_;
  std::deque<Milliseconds> finished_at_ms_;  // the latest jobs_max, oldest first
};

}  // namespace corral::tasks
