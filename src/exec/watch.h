// The watcher: one thread of the process ("watch") that looks at what every thread of its workers
// has in hand, and has the worker do something about what takes too long.
//
// It takes samples: the workers' threads tell it nothing but the number of their turn, so a time
// limit costs them no clock. A turn is noticed at most one tick after its begin and acted upon at
// most one tick after its time is over. While nothing has begun for kAwakeMs it sleeps until a turn
// rings (exec/bell.h).
//
//   created --start()--> watching --stop()--> stopped
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/thread.h"
#include "exec/bell.h"

namespace corral::exec {

class Worker;

constexpr Milliseconds kWatchTickMaxMs = 250;
constexpr Milliseconds kAwakeMs = 10'000;

class Watch {
 public:
  Watch() = default;
  ~Watch() { stop(); }

  // For the posts of the workers that are added; outlives them.
  Bell& bell() { return bell_; }

  // Any thread. A worker is removed before it goes away.
  void add(Worker& worker);
  void remove(Worker& worker);

  void start();
  void stop();

 private:
  void run();
  bool look();
  Milliseconds tick_ms();

  Bell bell_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<Worker*> workers_;            // guarded by mutex_
  Milliseconds tick_ms_ = kWatchTickMaxMs;  // guarded by mutex_: the shortest of the workers'
  Thread thread_;
};

}  // namespace corral::exec
