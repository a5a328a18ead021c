// Whether somebody moves bytes at a least rate, averaged over windows of a fixed length. Pure: the
// holder of a connection tells it the time and the bytes moved so far.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace corral::http {

class RateWindow {
 public:
  void begin(Milliseconds now_ms, std::uint64_t bytes) {
    begun_ms_ = now_ms;
    bytes_ = bytes;
  }

  // Whether a window has ended in which fewer than `rate_min` bytes a second were moved (0: any
  // rate will do). A window that was good enough is followed by the next.
  bool is_too_slow(Milliseconds now_ms, std::uint64_t bytes, Milliseconds window_ms,
                   std::uint64_t rate_min) {
    const Milliseconds span_ms = now_ms - begun_ms_;
    if (span_ms < window_ms || rate_min == 0) return false;
    if ((bytes - bytes_) * 1000 < rate_min * static_cast<std::uint64_t>(span_ms)) return true;
    begin(now_ms, bytes);
    return false;
  }

 private:
  Milliseconds begun_ms_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace corral::http
