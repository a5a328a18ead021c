// Whether more comes into a queue than its threads can do, and what to do about it.
//
// Under ordinary load, bursts included, a queue is first in, first out, and everybody is served.
// When more comes than is taken for longer, every wait would grow until no answer came in time any
// more. So, in overload, the newest item is taken first, which keeps the threads busy with clients
// that still wait and have waited least, and what has waited for `wait_max_ms` is to be turned
// away.
//
// Time goes in intervals of at least kIntervalMs in which each thread took a few items, and one
// that took far longer than the one before says nothing: a thread that is held up is no overload.
// It is overload when in two intervals in a row, at whose ends more waits than there are threads,
//   - arrivals were clearly more than what was taken, and a second's work is waiting, or
//   - arrivals were not fewer, and two seconds' work is waiting, or clients leave while they wait.
// A burst is over before the second interval, and a fixed number of clients that wait for each
// other sends no more than is taken.
//
// It ends with an interval in which nothing had to be turned away. But those that were may ask
// again at once, and so keep up an overload that is none: therefore, after ever longer times, one
// interval is a trial, in which all are served in turn and nobody is turned away. What grows is
// overload.
//
// Pure: times are given. Not safe for threads: guarded by the queue's mutex.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace corral::dispatch {

class Pressure {
 public:
  struct Options {
    int threads = 1;               // that take
    Milliseconds wait_max_ms = 0;  // in overload; 0: never overload
  };
  static constexpr Milliseconds kIntervalMs = 250;
  static constexpr int kTakesPerThread = 2;  // that an interval needs at least

  explicit Pressure(Options options) : options_(options) {}

  // What happened; `depth` is the queue's afterwards.
  void arrived(Milliseconds now_ms, std::size_t depth);
  void took(Milliseconds now_ms, std::size_t depth);
  void turned_away() { ++turned_away_; }
  // A client had left when its item was taken, which therefore cost no thread any time.
  void found_gone() {
    ++gone_;
    if (takes_ > 0) --takes_;
  }
  // Nothing happened, perhaps for long.
  void passed(Milliseconds now_ms, std::size_t depth) { judge(now_ms, depth); }

  bool is_overload() const { return is_overload_; }
  // Of two items, is the newer one next? `oldest_ms`: how long the older has waited.
  bool is_newest_first(Milliseconds oldest_ms) const {
    return is_turning_away() || (growing_ > 0 && oldest_ms > options_.wait_max_ms);
  }
  // Is the oldest of `depth` items to be turned away? A few always stay, or threads would run out
  // of work where it takes longer than the wait that is allowed.
  bool is_overdue(Milliseconds oldest_ms, std::size_t depth) const {
    return is_turning_away() && oldest_ms > options_.wait_max_ms &&
           depth > static_cast<std::size_t>(options_.threads);
  }

 private:
  bool is_turning_away() const { return is_overload_ && !is_trial_; }
  void judge(Milliseconds now_ms, std::size_t depth);
  void find_verdict(Milliseconds span_ms, std::size_t depth);
  bool is_beginning(Milliseconds span_ms, std::size_t depth) const;
  bool is_going_on();
  void begin_interval(Milliseconds now_ms);

  const Options options_;
  Milliseconds begun_ms_ = 0;
  Milliseconds last_span_ms_ = kIntervalMs;
  // In this interval:
  std::uint64_t arrivals_ = 0;
  std::uint64_t takes_ = 0;
  std::uint64_t turned_away_ = 0;
  std::uint64_t gone_ = 0;
  // Intervals in a row, up to the last, in which arrivals were clearly more than what was taken, in
  // which they were not fewer, and in which clients had left.
  int growing_ = 0;
  int standing_ = 0;
  int leaving_ = 0;
  bool is_overload_ = false;
  bool is_trial_ = false;  // this interval
  int until_trial_ = 0;    // intervals
  int trial_pause_ = 0;
};

}  // namespace corral::dispatch
