// The bounded queue between those who accept work and the threads of a group that do it.
//
// Any thread pushes, any worker thread pops; the order is first in, first out, unless the queue
// minds overload and finds itself in it (dispatch/pressure.h). An idle thread sleeps on a futex of
// its own; a push wakes at most one, the one that fell asleep last (its caches are warm). Items are
// counted, not connections. After close() pushes are refused, what is queued is still handed out,
// and pop() then returns nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "dispatch/pressure.h"

namespace corral::dispatch {

enum class Admission { admitted, full, closed };

// Whom a push wakes. Who pops next itself needs nobody for the item that it will take.
enum class Pusher { goes_on, pops_next };

template <typename Item>
class Queue {
 public:
  explicit Queue(std::size_t depth_max) : depth_max_(depth_max) {}
  // One that minds overload.
  Queue(std::size_t depth_max, Pressure::Options pressure)
      : depth_max_(depth_max), pressure_(std::in_place, pressure) {}
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // On anything but `admitted` the item stays with the caller, untouched.
  Admission push(Item& item, Pusher pusher = Pusher::goes_on) {
    std::lock_guard lock(mutex_);
    if (closed_) return Admission::closed;
    if (items_.size() >= depth_max_) return Admission::full;
    const Milliseconds now_ms = monotonic_ms();
    items_.push_back(Entry{std::move(item), now_ms});
    tell_pressure([&] { pressure_->arrived(now_ms, items_.size()); });
    if (pusher == Pusher::goes_on || items_.size() > 1) wake_one_locked();
    return Admission::admitted;
  }

  struct Taken {
    Item item;
    Milliseconds waited_ms;  // in this queue
  };

  // What a push would meet now; others may push in between.
  Admission foresee_push() const {
    std::lock_guard lock(mutex_);
    return closed_ ? Admission::closed
                   : (items_.size() < depth_max_ ? Admission::admitted : Admission::full);
  }

  // Waits for an item; nothing once the queue is closed and empty.
  std::optional<Taken> pop() {
    std::unique_lock lock(mutex_);
    while (items_.empty()) {
      if (closed_) return std::nullopt;
      sleep(lock);
    }
    return take();
  }

  // The same, but nothing either once `leaves`, which is set before wake_all().
  std::optional<Taken> pop(const std::atomic<bool>& leaves) {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (leaves.load(std::memory_order_acquire)) {
        if (!items_.empty()) wake_one_locked();  // what woke this thread is for another one
        return std::nullopt;
      }
      if (!items_.empty()) return take();
      if (closed_) return std::nullopt;
      sleep(lock);
    }
  }

  // Sleeps while there is nothing to pop, but at most until woken: for who has other things to look
  // after than this queue. Not at all once `leaves`, which is set before wake_all().
  void wait(const std::atomic<bool>& leaves) {
    std::unique_lock lock(mutex_);
    if (items_.empty() && !closed_ && !leaves.load(std::memory_order_acquire)) sleep(lock);
  }

  void wake_one() {
    std::lock_guard lock(mutex_);
    wake_one_locked();
  }

  void wake_all() {
    std::lock_guard lock(mutex_);
    while (!sleepers_.empty()) wake_one_locked();
  }

  std::optional<Taken> try_pop() {
    std::lock_guard lock(mutex_);
    if (items_.empty()) return std::nullopt;
    return take();
  }

  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    while (!sleepers_.empty()) wake_one_locked();
  }

  // Takes what is to be turned away: in overload the oldest items, and always those that have
  // waited for longer than `wait_max_ms`. Called after each push in overload, and now and then.
  std::vector<Taken> take_overdue(Milliseconds wait_max_ms) {
    std::vector<Taken> overdue;
    std::lock_guard lock(mutex_);
    const Milliseconds now_ms = monotonic_ms();
    while (!items_.empty()) {
      const Milliseconds oldest_ms = now_ms - items_.front().since_ms;
      const bool is_shed = pressure_ && pressure_->is_overdue(oldest_ms, items_.size());
      if (!is_shed && oldest_ms <= wait_max_ms) break;
      overdue.push_back(Taken{std::move(items_.front().item), oldest_ms});
      items_.pop_front();
      if (pressure_ && is_shed) pressure_->turned_away();
    }
    tell_pressure([&] { pressure_->passed(now_ms, items_.size()); });
    return overdue;
  }

  // Whether more comes than can be done, as of the last item that came or went. Takes no lock.
  bool is_overload() const { return is_overload_.load(std::memory_order_relaxed); }

  // The client of an item that was taken had left while it waited.
  void note_gone() {
    std::lock_guard lock(mutex_);
    if (pressure_) pressure_->found_gone();
  }

  // Takes everything that nobody has begun, for handing it back.
  std::vector<Item> drain() {
    std::lock_guard lock(mutex_);
    std::vector<Item> left;
    left.reserve(items_.size());
    for (Entry& entry : items_) left.push_back(std::move(entry.item));
    items_.clear();
    return left;
  }

  std::size_t depth() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }

  // Closed and empty: no item will ever come.
  bool is_over() const {
    std::lock_guard lock(mutex_);
    return closed_ && items_.empty();
  }

  std::size_t sleeping_threads() const {
    std::lock_guard lock(mutex_);
    return sleepers_.size();
  }

 private:
  struct Entry {
    Item item;
    Milliseconds since_ms;
  };
  // Lives on the sleeping thread's stack. It is woken with mutex_ held, which the sleeper needs
  // before it can return, so it cannot go away under the waker.
  struct Sleeper {
    std::atomic<int> awake{0};
  };

  void sleep(std::unique_lock<std::mutex>& lock) {
    Sleeper sleeper;
    sleepers_.push_back(&sleeper);
    lock.unlock();
    sleeper.awake.wait(0, std::memory_order_acquire);
    lock.lock();
  }

  void wake_one_locked() {
    if (sleepers_.empty()) return;
    Sleeper& sleeper = *sleepers_.back();
    sleepers_.pop_back();
    sleeper.awake.store(1, std::memory_order_release);
    sleeper.awake.notify_one();
  }

  Taken take() {
    const Milliseconds now_ms = monotonic_ms();
    const bool is_newest_first =
        pressure_ && pressure_->is_newest_first(now_ms - items_.front().since_ms);
    Entry entry = std::move(is_newest_first ? items_.back() : items_.front());
    is_newest_first ? items_.pop_back() : items_.pop_front();
    tell_pressure([&] { pressure_->took(now_ms, items_.size()); });
    return Taken{std::move(entry.item), now_ms - entry.since_ms};
  }

  template <typename Tell>
  void tell_pressure(Tell&& tell) {
    if (!pressure_) return;
    tell();
    const bool is_overload = pressure_->is_overload();
    if (is_overload_.load(std::memory_order_relaxed) != is_overload)
      is_overload_.store(is_overload, std::memory_order_relaxed);
  }

  const std::size_t depth_max_;
  mutable std::mutex mutex_;
  std::deque<Entry> items_;               // guarded by mutex_; the oldest first
  std::optional<Pressure> pressure_;      // guarded by mutex_
  std::atomic<bool> is_overload_{false};  // what pressure_ says
  std::vector<Sleeper*> sleepers_;        // guarded by mutex_; the last one slept last
  bool closed_ = false;                   // guarded by mutex_
};

}  // namespace corral::dispatch
