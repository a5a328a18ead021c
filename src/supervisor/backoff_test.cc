#include "supervisor/backoff.h"

#include <gtest/gtest.h>

namespace corral::supervisor {
namespace {

TEST(Backoff, AtOnceThenDoublingUpToItsBound) {
  Backoff backoff(1'000);
  for (Milliseconds expected : {0, 100, 200, 400, 800, 1'000, 1'000, 1'000}) {
    EXPECT_EQ(backoff.next_pause_ms(0), expected);
  }
}

TEST(Backoff, HealthIsForgiven) {
  Backoff backoff(1'000);
  for (int i = 0; i < 5; ++i) backoff.next_pause_ms(0);
  EXPECT_EQ(backoff.next_pause_ms(kHealthyMs - 1), 1'000);
  EXPECT_EQ(backoff.next_pause_ms(kHealthyMs), 0);
  EXPECT_EQ(backoff.next_pause_ms(5), 100);
}

TEST(Backoff, BoundBelowTheFirstPauseHolds) {
  Backoff backoff(30);
  EXPECT_EQ(backoff.next_pause_ms(0), 0);
  EXPECT_EQ(backoff.next_pause_ms(0), 30);
  EXPECT_EQ(backoff.next_pause_ms(0), 30);
}

// Ten thousand crashes in a row: the pauses add up, nothing overflows and nothing spins.
TEST(Backoff, NeverSpins) {
  Backoff backoff(10'000);
  Milliseconds sum_ms = 0;
  for (int i = 0; i < 10'000; ++i) sum_ms += backoff.next_pause_ms(59'999);
  EXPECT_GT(sum_ms, 9'990 * 10'000);
}

}  // namespace
}  // namespace corral::supervisor
