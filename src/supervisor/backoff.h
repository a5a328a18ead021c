// Pauses between the restarts of one child: none before the first, then 100 ms, doubling up to a
// bound. A child that served for kHealthyMs has earned a fresh start. Pure arithmetic; owned by the
// supervisor's loop.
#pragma once

#include "base/clock.h"

namespace corral::supervisor {

constexpr Milliseconds kFirstPauseMs = 100;
constexpr Milliseconds kHealthyMs = 60'000;

class Backoff {
 public:
  explicit Backoff(Milliseconds pause_max_ms) : pause_max_ms_(pause_max_ms) {}

  // After a death: how long to wait before the next start. `served_ms`: how long this one served; 0
  // when it never did.
  Milliseconds next_pause_ms(Milliseconds served_ms);

 private:
  Milliseconds pause_max_ms_;
  Milliseconds pause_ms_ = 0;
};

}  // namespace corral::supervisor
