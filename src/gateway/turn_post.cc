#include "gateway/turn_post.h"

#include <Python.h>

#include <thread>
#include <utility>

#include "gateway/thread_stack.h"
#include "interp/thread_control.h"

namespace corral::gateway {

using exec::Finding;

// --- the thread

void TurnPost::begin_turn() {
  turn_ += 1U << kStateBits;
  word_.store(turn_ | kOpen, std::memory_order_release);
  ring();
}

bool TurnPost::hold() {
  if (is_held()) return true;
  std::uint64_t found = turn_ | kOpen;
  while (!word_.compare_exchange_weak(found, turn_ | kHeld, std::memory_order_acq_rel)) {
    if ((found & kStateMask) == kTaken) return false;
    if ((found & kStateMask) == kTaking) std::this_thread::yield();
    found = turn_ | kOpen;
  }
  return true;
}

void TurnPost::shield(interp::Attached& attached) {
  is_shielded_ = true;
  if (is_interrupted_) interp::clear_interrupt(attached);
}

void TurnPost::raise_interruption() const { PyErr_SetNone(interruption().get()); }

TurnPost::Written TurnPost::end_turn(interp::Attached& attached) {
  hold();  // or it is taken: in no case is anybody at it now
  word_.store(0, std::memory_order_release);
  if (std::exchange(is_interrupted_, false)) interp::clear_interrupt(attached);
  is_stubborn_ = is_shielded_ = false;
  return std::exchange(is_written_, false) ? Written::record : Written::nothing;
}

// --- the watcher

bool TurnPost::is_timed() const {
  return (word_.load(std::memory_order_acquire) & kStateMask) != kHeld;
}

bool TurnPost::expire(const Finding& finding) {
  std::uint64_t found = finding.turn << kStateBits | kOpen;
  const std::uint64_t turn = found;
  if (!word_.compare_exchange_strong(found, turn | kTaking, std::memory_order_acq_rel))
    return found >> kStateBits != finding.turn;
  expired_turn_.store(finding.turn, std::memory_order_relaxed);
  take(finding);
  word_.store(turn | kTaken, std::memory_order_release);
  taken();
  return true;
}

// --- records

void TurnPost::report_unseen(const Finding& finding, std::string_view why) {
  // It may have ended just in time, so that there was nothing to expire.
  const bool is_over_time = expired_turn_.load(std::memory_order_relaxed) == finding.turn;
  if (finding.kind == Finding::Kind::slow ||
      (finding.kind == Finding::Kind::overdue && is_over_time))
    write_finding(finding, "no_stack", why);
}

// The thread is looked at and interrupted before any Python code runs here: it is still in the
// turn, and where it is said to be.
bool TurnPost::report(interp::Attached& attached, const interp::PythonThread& thread,
                      const Finding& finding) {
  if (turn() != finding.turn) return false;
  const std::vector<StackLine> lines = look_at_stack(attached, thread);
  if (finding.kind == Finding::Kind::slow) {
    const std::uint64_t turn = finding.turn << kStateBits;
    std::uint64_t found = turn | kOpen;
    if (word_.compare_exchange_strong(found, turn | kTaking, std::memory_order_acq_rel)) {
      note(finding);
      word_.store(turn | kOpen, std::memory_order_release);
    }
  } else {
    if (!is_shielded_) interp::interrupt(attached, thread, interruption().get());
    is_interrupted_ = true;
    relieve();
  }
  is_written_ = true;
  if (finding.kind != Finding::Kind::stubborn || !std::exchange(is_stubborn_, true))
    write_finding(finding, "stack", format_stack(attached, lines));
  return true;
}

}  // namespace corral::gateway
