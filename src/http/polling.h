// Who polls the sockets. One thread at a time holds the baton: the right to make a turn of the
// event loop, and with it everything that belongs to "the poller" in this room.
//
//   worker without a request:  takes the baton, polls, lets go of it with the first request it
//                              has read, runs that one itself: no thread is woken for it
//   io-0, the standby:         polls when no worker does: all are busy, or the one that polled
//                              has been in its request for longer than a tick
//
// So a short request runs on the thread that read it, and a long one keeps nobody waiting for
// longer than kTickMs. Where requests take longer than kLongRunNs, measured as they run, a worker
// that leaves wakes an idle one to poll in its place, at once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "dispatch/queue.h"
#include "http/exchange.h"
#include "net/event_loop.h"

namespace corral::http {

class Polling {
 public:
  using Queue = dispatch::Queue<Exchange>;

  struct Options {
    // The standby polls at least so often while it does.
    Milliseconds standby_turn_max_ms = net::EventLoop::kUntilEvent;
    // A worker that has nothing to do tells the standby, whose turn ends at once.
    bool standby_hears_of_idle = false;
    // Set to 1 while a worker waits for events, to 0 when it has a request.
    std::atomic<std::uint32_t>* is_free = nullptr;
    // On the standby's thread with the baton held: before its first turn in a row, after each, and
    // after the last.
    std::function<void()> on_standby_begin = [] {};
    std::function<void()> on_standby_turn = [] {};
    std::function<void()> on_standby_end = [] {};
    // The same without the baton, and not while it polls: see ask_for_look().
    std::function<void()> on_look = [] {};
  };

  // The loop and the queue outlive it.
  Polling(net::EventLoop& loop, Queue& queue, Options options);

  // --- a worker's thread, outside of Python
  // The next request, polling for it if nobody else does; nothing once the queue is closed and
  // empty, or the thread `leaves`. The one taken before is over.
  std::optional<Queue::Taken> take(const std::atomic<bool>& leaves);
  // The same, but only what is in the queue already. Also inside of Python.
  std::optional<Queue::Taken> try_take();

  // --- any thread that holds a connection
  dispatch::Admission push(Exchange& exchange);
  // Whether requests of late were so short that nobody need be woken beside them.
  bool are_runs_short() const;
  // The standby is to look (Options::on_look) within a tick. False, and it may not, while it polls.
  bool ask_for_look();
  // Whether the calling thread is the poller.
  bool is_poller() const;
  // Workers look again: the queue has been closed, or some of them are to leave.
  void wake();

  // --- the standby, in its functions
  // No worker is idle, and for a while none has taken a request: what they are in takes long.
  bool is_occupied();
  bool has_idle_worker() const { return idle_.load() > 0; }

  // --- io-0
  void stand_by();  // returns after stop()
  void stop();      // from any thread

 private:
  bool try_hold();
  void let_go();
  void wake_standby();
  std::optional<Queue::Taken> poll_for_one(const std::atomic<bool>& leaves);
  void note_runs();
  void note_takes();
  void tell_free(bool is_free);
  void rest_for_a_tick();
  void look_if_asked();
  void sleep_while_others_poll();
  bool is_unattended();
  void poll_for_busy_workers();

  net::EventLoop& loop_;
  Queue& queue_;
  const Options options_;
  // Written and read in opposite order by who lets go and by the standby, sequentially consistent,
  // so that it never sleeps beside a free baton.
  std::atomic<bool> held_{false};
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stopping_{false};
  // In opposite order too, so that nobody who is told that the standby looks asks too late.
  std::atomic<bool> is_look_wanted_{false};
  std::atomic<bool> standby_polls_{false};
  std::atomic<std::thread::id> poller_{};
  std::atomic<std::thread::id> standby_{};
  std::atomic<std::uint64_t> turns_{0};  // made by anybody
  std::atomic<std::uint64_t> takes_{0};  // of requests
  std::atomic<int> idle_{0};             // workers that sleep, or are about to
  std::atomic<std::int64_t> run_ns_{0};  // a request's run, of late
  std::mutex mutex_;
  std::condition_variable awake_;  // of the standby; with mutex_
  // The standby's own:
  std::uint64_t turns_seen_ = 0;
  std::uint64_t takes_seen_ = 0;
  Milliseconds taken_ms_ = 0;  // when takes_ changed, as far as was seen
  int quiet_ticks_ = 0;
  int unattended_ticks_ = 0;
};

}  // namespace corral::http
