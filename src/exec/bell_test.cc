#include "exec/bell.h"

#include <gtest/gtest.h>

#include "base/thread.h"

namespace corral::exec {
namespace {

// The agreement: of a sleeper that looks once more and a worker that rings once, one must see the
// other. A turn that nobody sees would hang the test.
TEST(Bell, NoTurnIsMissedByASleeper) {
  constexpr int kTurns = 20'000;
  Bell bell;
  if (!bell.can_sleep()) GTEST_SKIP() << "this kernel has no membarrier";
  std::atomic<int> turn{0}, seen{0};
  Thread worker("worker", [&] {
    for (int number = 1; number <= kTurns; ++number) {
      turn.store(number, std::memory_order_relaxed);
      bell.ring_if_asleep();
      while (seen.load(std::memory_order_relaxed) < number) {
      }
    }
  });
  while (seen.load(std::memory_order_relaxed) < kTurns) {
    bell.fall_asleep();
    if (turn.load(std::memory_order_relaxed) == seen.load(std::memory_order_relaxed)) bell.wait(-1);
    seen.store(turn.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  worker.join();
}

TEST(Bell, ARingWhileAwakeEndsTheNextWait) {
  Bell bell;
  bell.ring();
  bell.wait(-1);
}

TEST(Bell, AWaitWithALimitEnds) {
  Bell bell;
  bell.wait(1);
}

}  // namespace
}  // namespace corral::exec
