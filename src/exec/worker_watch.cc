// Threads that take too long: what the watcher finds, and what the worker's own thread does about
// it.
#include <algorithm>

#include "exec/worker.h"

namespace corral::exec {
namespace {

constexpr Milliseconds kTickMinMs = 10;
// A limit is kept to an eighth of itself.
constexpr Milliseconds kTicksPerLimit = 8;

}  // namespace

Milliseconds Worker::watch_tick_ms() const {
  Milliseconds tick_ms = kWatchTickMaxMs;
  for (const Milliseconds span_ms :
       {options_.limits.turn_time_max_ms, options_.limits.slow_turn_ms}) {
    if (span_ms > 0) tick_ms = std::min(tick_ms, span_ms / kTicksPerLimit);
  }
  return std::max(tick_ms, kTickMinMs);
}

int Worker::abandoned_threads() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(hands_.begin(), hands_.end(), [](const Hand& hand) {
    return hand.service == Service::abandoned;
  }));
}

bool Worker::waits_for_abandoned() const {
  if (state() != WorkerState::draining) return false;
  std::lock_guard lock(mutex_);
  // Those that have left are about to be joined, and the worker ends by itself without the others.
  bool has_abandoned = false;
  for (const Hand& hand : hands_) {
    has_abandoned |= hand.service == Service::abandoned;
    if (hand.service != Service::abandoned && hand.service != Service::left) return false;
  }
  return has_abandoned;
}

bool Worker::look(Milliseconds now_ms) {
  bool runs = false, has_changed = false;
  {
    std::lock_guard lock(mutex_);
    for (Hand& hand : hands_) {
      if (!hand.post || hand.service == Service::left) continue;
      runs |= look_at(hand, now_ms);
      has_changed |= is_newly_abandoned(hand, now_ms);
    }
    has_changed |= give_up_visits(now_ms);
    runs |= !visits_.empty();
  }
  if (has_changed) tell();
  return runs;
}

bool Worker::look_at(Hand& hand, Milliseconds now_ms) {
  Sample& sample = hand.sample;
  const std::uint64_t turn = hand.post->turn();
  if (turn != sample.turn) {
    sample = Sample{.turn = turn, .seen_ms = now_ms};
  } else if (turn != 0) {
    if (hand.post->is_timed()) sample.ran_ms += now_ms - sample.seen_ms;
    sample.seen_ms = now_ms;
    judge(hand, now_ms);
  }
  return turn != 0;
}

void Worker::judge(Hand& hand, Milliseconds now_ms) {
  const Milliseconds own_max_ms = hand.post->turn_time_max_ms();
  const Milliseconds turn_time_max_ms =
      own_max_ms > 0 ? own_max_ms : options_.limits.turn_time_max_ms;
  const Milliseconds slow_turn_ms = options_.limits.slow_turn_ms;
  Sample& sample = hand.sample;
  if (sample.is_expired) {
    if (sample.interrupted_at_ran_ms < 0) return;
    if (sample.ran_ms - sample.interrupted_at_ran_ms < kInterruptAgainMs) return;
    sample.interrupted_at_ran_ms = sample.ran_ms;
    ask_for_visit(hand, Finding::Kind::stubborn, now_ms);
  } else if (hand.post->is_cancelled() ||
             (turn_time_max_ms > 0 && sample.ran_ms >= turn_time_max_ms)) {
    const Finding finding{Finding::Kind::overdue, sample.turn, sample.ran_ms, hand.name};
    if (!hand.post->expire(finding)) return;  // it is answering just now: at the next look
    sample.is_expired = true;
    ask_for_visit(hand, Finding::Kind::overdue, now_ms);
  } else if (slow_turn_ms > 0 && sample.ran_ms >= slow_turn_ms && !sample.is_told_slow) {
    sample.is_told_slow = true;
    ask_for_visit(hand, Finding::Kind::slow, now_ms);
  }
}

bool Worker::is_newly_abandoned(Hand& hand, Milliseconds now_ms) {
  if (hand.service != Service::relieved || now_ms - hand.relieved_ms < kLeavePatienceMs)
    return false;
  hand.service = Service::abandoned;
  log_.error(205,
             "a thread did not obey its interrupt: it is in a call that cannot be interrupted; it "
             "is abandoned, another has taken its place",
             {{"thread", hand.name}, {"ran_ms", hand.sample.ran_ms}});
  return true;
}

void Worker::ask_for_visit(Hand& hand, Finding::Kind kind, Milliseconds now_ms) {
  visits_.push_back({&hand, {kind, hand.sample.turn, hand.sample.ran_ms, hand.name}, now_ms});
  changed_.notify_all();
}

// The own thread waits for the GIL in vain: what is known is written down without having been
// inside. True when that makes the worker stuck.
bool Worker::give_up_visits(Milliseconds now_ms) {
  bool has_overdue = false;
  while (!visits_.empty() && now_ms - visits_.front().asked_ms >= kEnterPatienceMs) {
    const Visit visit = std::move(visits_.front());
    visits_.pop_front();
    if (visit.finding.kind == Finding::Kind::stubborn) continue;
    visit.hand->post->report_unseen(visit.finding,
                                    "its interpreter could not be entered: a call holds the GIL");
    has_overdue |= visit.finding.kind == Finding::Kind::overdue;
  }
  return has_overdue && !stuck_.exchange(true, std::memory_order_acq_rel);
}

// On the own thread. Entering may take for ever: the watcher does not wait for it.
void Worker::visit(interp::Interpreter& interpreter, interp::PythonThread& own) {
  interp::Attached attached(own);
  std::unique_lock lock(mutex_);
  while (!visits_.empty()) {
    const Visit visit = std::move(visits_.front());
    visits_.pop_front();
    // Leaving the interpreter takes the GIL, which is ours until report() runs Python code.
    const interp::PythonThread* inside = visit.hand->inside;
    lock.unlock();
    const bool goes_on =
        inside != nullptr && visit.hand->post->report(attached, *inside, visit.finding);
    if (!goes_on && visit.finding.kind != Finding::Kind::stubborn) {
      visit.hand->post->report_unseen(visit.finding, "it ended before it could be looked at");
    }
    if (goes_on && visit.finding.kind == Finding::Kind::overdue) replace(interpreter, *visit.hand);
    lock.lock();
  }
}

// Whatever an interrupt leaves behind in the thread (its locals, its database connections) must not
// meet another request: the thread does not serve again, even if it obeys at once. report() has
// relieved it.
void Worker::replace(interp::Interpreter& interpreter, Hand& hand) {
  {
    std::lock_guard lock(mutex_);
    hand.sample.interrupted_at_ran_ms = hand.sample.ran_ms;
    if (hand.service == Service::relieved || hand.service == Service::abandoned) return;
    // It may have left already: report() ran Python code after it had relieved the thread.
    if (hand.service == Service::serving) {
      hand.service = Service::relieved;
      hand.relieved_ms = monotonic_ms();
    }
    if (relieved_) return;
  }
  add_hand(interpreter, hand.name, Entrance::joins);
}

}  // namespace corral::exec
