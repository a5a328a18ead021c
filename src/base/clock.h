// The two clocks. Durations and deadlines use monotonic time; only log lines and HTTP dates use
// wall time.
#pragma once

#include <cstdint>
#include <ctime>

namespace corral {

using Milliseconds = std::int64_t;

inline std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

inline std::int64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }
inline Milliseconds monotonic_ms() { return monotonic_ns() / 1'000'000; }
inline std::int64_t wall_ns() { return clock_ns(CLOCK_REALTIME); }

}  // namespace corral
