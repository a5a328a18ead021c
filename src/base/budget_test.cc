#include "base/budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace corral {
namespace {

TEST(Budget, GivesWhatItHasAndNoMore) {
  auto budget = std::make_shared<Budget>(100);
  Budget::Share one, two;
  EXPECT_TRUE(one.try_grow(budget, 60));
  EXPECT_FALSE(two.try_grow(budget, 41));
  EXPECT_EQ(two.bytes(), 0u);
  EXPECT_TRUE(two.try_grow(budget, 40));
  EXPECT_FALSE(one.try_grow(budget, 61));
  EXPECT_EQ(one.bytes(), 60u);
  EXPECT_TRUE(one.try_grow(budget, 10)) << "it has more already";
  EXPECT_EQ(budget->bytes(), 100u);
}

TEST(Budget, GetsBackWhatAShareHadExactlyOnce) {
  auto budget = std::make_shared<Budget>(100);
  {
    Budget::Share one;
    EXPECT_TRUE(one.try_grow(budget, 70));
    Budget::Share moved = std::move(one);
    EXPECT_EQ(moved.bytes(), 70u);
    moved.reset();
    EXPECT_EQ(budget->bytes(), 0u);
    EXPECT_TRUE(moved.try_grow(budget, 100));
    Budget::Share replaced;
    EXPECT_FALSE(replaced.try_grow(budget, 1));
    replaced = std::move(moved);
    EXPECT_EQ(budget->bytes(), 100u);
  }
  EXPECT_EQ(budget->bytes(), 0u);
}

TEST(Budget, RefusesSizesThatWouldOverflow) {
  auto budget = std::make_shared<Budget>(100);
  Budget::Share one, two;
  EXPECT_TRUE(one.try_grow(budget, 50));
  EXPECT_FALSE(two.try_grow(budget, static_cast<std::size_t>(-20)));
  EXPECT_EQ(budget->bytes(), 50u);
}

TEST(Budget, OutlivesItsMakerForItsShares) {
  auto budget = std::make_shared<Budget>(100);
  Budget::Share share;
  EXPECT_TRUE(share.try_grow(budget, 50));
  budget.reset();
  share.reset();
  EXPECT_EQ(share.bytes(), 0u);
}

TEST(Budget, IsSharedByThreads) {
  auto budget = std::make_shared<Budget>(1000);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 10'000; ++turn) {
        Budget::Share share;
        if (!share.try_grow(budget, 300)) continue;
        EXPECT_LE(budget->bytes(), 1000u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget->bytes(), 0u);
}

}  // namespace
}  // namespace corral
