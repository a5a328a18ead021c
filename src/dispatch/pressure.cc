#include "dispatch/pressure.h"

#include <algorithm>

namespace corral::dispatch {
namespace {

// Milliseconds of work that wait.
constexpr std::uint64_t kBacklogGrowingMs = 1'000;
constexpr std::uint64_t kBacklogStandingMs = 2'000;
// An interval that took so much longer than the one before says that threads were held up.
constexpr Milliseconds kHeldUpFactor = 4;
// Intervals of overload before a trial: at first, and after many that failed.
constexpr int kTrialPauseMin = 4;
constexpr int kTrialPauseMax = 64;

}  // namespace

void Pressure::arrived(Milliseconds now_ms, std::size_t depth) {
  judge(now_ms, depth - 1);
  ++arrivals_;
}

void Pressure::took(Milliseconds now_ms, std::size_t depth) {
  ++takes_;
  judge(now_ms, depth);
}

void Pressure::judge(Milliseconds now_ms, std::size_t depth) {
  if (options_.wait_max_ms == 0) return;
  const Milliseconds span_ms = now_ms - begun_ms_;
  if (span_ms < kIntervalMs) return;
  const auto takes_min = static_cast<std::uint64_t>(options_.threads * kTakesPerThread);
  if (takes_ < takes_min && depth > 0) return;
  find_verdict(span_ms, depth);
  begin_interval(now_ms);
}

void Pressure::find_verdict(Milliseconds span_ms, std::size_t depth) {
  const bool is_waiting = depth > static_cast<std::size_t>(options_.threads) && takes_ > 0;
  const bool is_held_up = span_ms > kHeldUpFactor * std::max(kIntervalMs, last_span_ms_);
  const bool counts = is_waiting && !is_held_up;
  growing_ = counts && arrivals_ * 5 > takes_ * 6 ? growing_ + 1 : 0;
  standing_ = counts && arrivals_ >= takes_ ? standing_ + 1 : 0;
  leaving_ = gone_ > 0 ? leaving_ + 1 : 0;
  last_span_ms_ = span_ms;
  if (is_overload_) {
    is_overload_ = is_going_on();
  } else if (counts && is_beginning(span_ms, depth)) {
    is_overload_ = true;
    until_trial_ = trial_pause_ = kTrialPauseMin;
  }
}

bool Pressure::is_beginning(Milliseconds span_ms, std::size_t depth) const {
  const std::uint64_t backlog_ms = depth * static_cast<std::uint64_t>(span_ms) / takes_;
  if (growing_ >= 2 && backlog_ms > kBacklogGrowingMs) return true;
  return standing_ >= 2 && (backlog_ms > kBacklogStandingMs || leaving_ >= 2);
}

bool Pressure::is_going_on() {
  if (is_trial_) {
    is_trial_ = false;
    until_trial_ = trial_pause_ = std::min(2 * trial_pause_, kTrialPauseMax);
    return arrivals_ * 10 > takes_ * 11;
  }
  is_trial_ = --until_trial_ <= 0;
  return turned_away_ > 0;
}

void Pressure::begin_interval(Milliseconds now_ms) {
  begun_ms_ = now_ms;
  arrivals_ = takes_ = turned_away_ = gone_ = 0;
}

}  // namespace corral::dispatch
