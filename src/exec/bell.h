// How a watcher that sleeps without a limit hears of new work, at the price of one load for those
// who do the work: the costly half of the agreement is the sleeper's.
//
// A worker makes its turn visible and then looks whether the watcher sleeps; the watcher says that
// it sleeps and then looks at the turns. One of the two must see the other, which takes a barrier
// on each side. The worker's is a barrier of the compiler only: the watcher has the kernel run the
// real one on every thread of the process (membarrier) before it looks.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace corral::exec {

class Bell {
 public:
  Bell();

  // --- any thread, after it made its turn visible
  void ring_if_asleep() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_relaxed)) [[unlikely]]
      ring();
  }
  void ring();

  // --- the watcher
  // False where the kernel cannot do it: then the watcher must not sleep without a limit.
  bool can_sleep() const { return can_sleep_; }
  // From here on a new turn rings. Look at the turns after this and before wait().
  void fall_asleep();
  // Returns when somebody rang, or after `wait_ms`; -1: without a limit. Awake then.
  void wait(Milliseconds wait_ms);

 private:
  bool can_sleep_ = false;      // constant
  std::atomic<int> asleep_{0};  // 1: turns ring
  std::atomic<int> rung_{0};    // a futex
};

}  // namespace corral::exec
