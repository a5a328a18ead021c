// An epoll set, worked off in turns. Turns may be made by different threads, one after the other:
// whoever makes one is the poller, and all but post() and wake() belongs to it. Who polls when is
// the owner's affair, and so is that one poller's turn happens before the next one's.
//
// A Source is told of events on its descriptor. A source that goes away during a turn is parked
// with retire() and deleted when the turn is over, so that a later event of the same turn cannot
// meet a dead object.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace corral::net {

class Source {
 public:
  virtual ~Source() = default;
  virtual void on_events(std::uint32_t events) = 0;  // EPOLLIN, EPOLLOUT, ...
};

class EventLoop {
 public:
  static constexpr Milliseconds kUntilEvent = 24 * 60 * 60 * 1000;

  static Result<std::unique_ptr<EventLoop>> create();
  ~EventLoop();

  // `events` as for epoll_ctl. False (with errno) when the kernel refuses.
  bool add(int fd, std::uint32_t events, Source& source);
  void remove(int fd);
  void retire(std::unique_ptr<Source> source);

  // `tick` is called at the end of a turn, every `interval_ms` as long as turns are made.
  void set_tick(Milliseconds interval_ms, std::function<void()> tick);

  // One turn: waits for events, at most so long and not beyond the next tick, and deals with them.
  void poll(Milliseconds wait_max_ms);

  // Any thread: runs `task` in a turn soon. Costs a system call only while a poller waits.
  void post(std::function<void()> task);
  // Any thread: a poller that waits, or is about to, ends its turn.
  void wake();

 private:
  EventLoop() = default;
  void run_posted();
  void forget_wakes();
  void wake_waiting();

  Fd epoll_;
  Fd wake_;
  std::function<void()> tick_;
  Milliseconds tick_interval_ms_ = 1000;
  Milliseconds next_tick_ms_ = 0;
  std::vector<std::unique_ptr<Source>> retired_;
  // Written and read in opposite order by the poller and the others, sequentially consistent, so
  // that one of them sees the other's: nobody waits beside work.
  std::atomic<bool> waiting_{false};
  std::atomic<bool> called_{false};  // since the last turn: posted to, or woken
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  bool wake_written_ = false;                  // guarded by mutex_
};

}  // namespace corral::net
