#include "tasks/ticker.h"

#include <algorithm>
#include <string>

#include "base/check.h"

namespace corral::tasks {
namespace {

constexpr const char* kTickId = "tick";  // ids of rows are UUIDs

// python/corral/tasks/ticker.py knows a tick by how this begins.
std::string payload_of(std::int64_t serial, bool synchronise) {
  return R"({"tick":)" + std::to_string(serial) + R"(,"synchronise":)" +
         (synchronise ? "true}" : "false}");
}

}  // namespace

void Ticker::look_soon(Milliseconds now_ms) {
  if (!has_schedules_) return;
  look_at_ms_ = std::min(look_at_ms_, std::max(now_ms, looked_at_ms_ + kLookAgainMs));
}

// While a tick waits for a thread it is not lost, however long that takes.
Milliseconds Ticker::work_at() const {
  if (!is_in_hand_) return std::min(look_at_ms_, due_at_ms_);
  return ready_.depth() == 0 ? handed_at_ms_ + kTickPatienceMs : kNever;
}

bool Ticker::is_lost(Milliseconds now_ms) const {
  return is_in_hand_ && now_ms >= handed_at_ms_ + kTickPatienceMs && ready_.depth() == 0;
}

Result<bool> Ticker::work(Milliseconds now_ms) {
  if (is_lost(now_ms)) {
    is_in_hand_ = false;
    look(now_ms);
  }
  if (is_in_hand_) return false;
  if (now_ms >= look_at_ms_) {
    if (auto asked = ask_store(now_ms); !asked) return asked.error();
  }
  if (now_ms < due_at_ms_) return false;
  hand_out(now_ms);
  return true;
}

Result<void> Ticker::ask_store(Milliseconds now_ms) {
  const Milliseconds began_ms = monotonic_ms();
  auto wait_ms = store_.next_tick_ms();
  if (!wait_ms) return wait_ms.error();  // opened again, the store is asked again
  // The store's answer is as old as it took at most: rather a moment late than in vain.
  const Milliseconds answered_ms = now_ms + (monotonic_ms() - began_ms);
  looked_at_ms_ = now_ms;
  look_at_ms_ = kNever;
  if (*wait_ms == kNoSchedules) {
    has_schedules_ = false;
  } else if (!is_synchronised_) {
    due_at_ms_ = now_ms + pause_ms_;
  } else {
    due_at_ms_ = *wait_ms < 0 ? kNever : answered_ms + std::max(*wait_ms, pause_ms_);
  }
  return {};
}

void Ticker::hand_out(Milliseconds now_ms) {
  is_in_hand_ = true;
  handed_at_ms_ = now_ms;
  due_at_ms_ = kNever;
  Job tick;
  tick.id = kTickId;
  tick.lease = ++serial_;
  tick.payload = payload_of(serial_, !is_synchronised_);
  CORRAL_CHECK(ready_.push(tick) == dispatch::Admission::admitted,
               "the ready queue has a place for a tick");
}

bool Ticker::settle(const Outcome& outcome, Milliseconds now_ms) {
  if (outcome.id != kTickId) return false;
  if (!is_in_hand_ || outcome.lease != serial_) return true;  // it was taken for lost
  is_in_hand_ = false;
  if (outcome.status == JobStatus::successful) {
    is_synchronised_ = true;
    pause_ms_ = 0;
  } else {
    pause_ms_ = std::clamp(pause_ms_ * 2, kTickPauseMinMs, kTickPauseMaxMs);
  }
  look(now_ms);
  return true;
}

bool Ticker::take_back(const Job& job, Milliseconds now_ms) {
  if (job.id != kTickId) return false;
  is_in_hand_ = false;
  due_at_ms_ = now_ms;
  return true;
}

}  // namespace corral::tasks
