#include "supervisor/backoff.h"

#include <algorithm>

namespace corral::supervisor {

Milliseconds Backoff::next_pause_ms(Milliseconds served_ms) {
  if (served_ms >= kHealthyMs) pause_ms_ = 0;
  const Milliseconds pause_ms = std::min(pause_ms_, pause_max_ms_);
  pause_ms_ = pause_ms == 0 ? kFirstPauseMs : std::min(pause_ms * 2, pause_max_ms_);
  return pause_ms;
}

}  // namespace corral::supervisor
