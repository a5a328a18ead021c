#include "dispatch/queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace corral::dispatch {
namespace {

// Items are move-only, as the real ones are: a copy anywhere in the queue would not compile.
using Item = std::unique_ptr<int>;

Admission push(Queue<Item>& queue, int number) {
  Item item = std::make_unique<int>(number);
  return queue.push(item);
}

int pop_number(Queue<Item>& queue) {
  auto taken = queue.pop();
  return taken ? *taken->item : -1;
}

TEST(Queue, FirstInFirstOut) {
  Queue<Item> queue(100);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(push(queue, i), Admission::admitted);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(pop_number(queue), i);
  EXPECT_FALSE(queue.try_pop());
}

TEST(Queue, TurnsAwayWhatHasWaitedTooLong) {
  Queue<Item> queue(100);
  for (int i = 0; i < 3; ++i) push(queue, i);
  EXPECT_TRUE(queue.take_overdue(60'000).empty());
  const auto overdue = queue.take_overdue(-1);
  ASSERT_EQ(overdue.size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*overdue[i].item, i);
  EXPECT_EQ(queue.depth(), 0u);
}

TEST(Queue, AFullQueueAloneIsNoOverload) {
  Queue<Item> queue(100, {.threads = 1, .wait_max_ms = 1});
  for (int i = 0; i < 100; ++i) ASSERT_EQ(push(queue, i), Admission::admitted);
  EXPECT_FALSE(queue.is_overload());
  EXPECT_TRUE(queue.take_overdue(60'000).empty());
  for (int i = 0; i < 100; ++i) ASSERT_EQ(pop_number(queue), i);
}

TEST(Queue, FullRefusesAndLeavesTheItem) {
  Queue<Item> queue(2);
  push(queue, 1);
  push(queue, 2);
  Item third = std::make_unique<int>(3);
  EXPECT_EQ(queue.push(third), Admission::full);
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(*third, 3);
  EXPECT_EQ(queue.depth(), 2u);
  EXPECT_EQ(pop_number(queue), 1);
  EXPECT_EQ(queue.push(third), Admission::admitted);
  EXPECT_EQ(third, nullptr);
}

TEST(Queue, DepthZeroAdmitsNothing) {
  Queue<Item> queue(0);
  EXPECT_EQ(push(queue, 1), Admission::full);
}

TEST(Queue, CloseRefusesButHandsOutWhatIsThere) {
  Queue<Item> queue(10);
  push(queue, 1);
  push(queue, 2);
  queue.close();
  queue.close();
  Item late = std::make_unique<int>(3);
  EXPECT_EQ(queue.push(late), Admission::closed);
  EXPECT_NE(late, nullptr);
  EXPECT_EQ(pop_number(queue), 1);
  EXPECT_EQ(pop_number(queue), 2);
  EXPECT_FALSE(queue.pop());
  EXPECT_FALSE(queue.pop());
}

TEST(Queue, ClosedTellsBeforeFull) {
  Queue<Item> queue(1);
  push(queue, 1);
  queue.close();
  EXPECT_EQ(push(queue, 2), Admission::closed);
}

TEST(Queue, DrainTakesWhatNobodyBegan) {
  Queue<Item> queue(10);
  for (int i = 0; i < 4; ++i) push(queue, i);
  EXPECT_EQ(pop_number(queue), 0);
  const std::vector<Item> left = queue.drain();
  ASSERT_EQ(left.size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*left[i], i + 1);
  EXPECT_EQ(queue.depth(), 0u);
  EXPECT_TRUE(queue.drain().empty());
  EXPECT_EQ(push(queue, 9), Admission::admitted);  // draining is not closing
}

TEST(Queue, WaitedIsTheTimeInTheQueue) {
  Queue<Item> queue(1);
  const Milliseconds before_ms = monotonic_ms();
  push(queue, 1);
  const Milliseconds pushed_ms = monotonic_ms();
  while (monotonic_ms() < pushed_ms + 20) std::this_thread::yield();
  const Milliseconds least_ms = monotonic_ms() - pushed_ms;
  auto taken = queue.pop();
  ASSERT_TRUE(taken);
  EXPECT_GE(taken->waited_ms, least_ms);
  EXPECT_LE(taken->waited_ms, monotonic_ms() - before_ms);
}

TEST(Queue, PushWakesASleeper) {
  Queue<Item> queue(1);
  for (int round = 0; round < 500; ++round) {
    std::atomic<int> got{-1};
    std::thread sleeper([&] { got = pop_number(queue); });
    ASSERT_EQ(push(queue, round), Admission::admitted);
    sleeper.join();  // hangs if a wake-up is lost
    ASSERT_EQ(got, round);
  }
}

TEST(Queue, CloseWakesEverySleeper) {
  for (int round = 0; round < 50; ++round) {
    Queue<Item> queue(1);
    std::atomic<int> out{0};
    std::vector<std::thread> sleepers;
    for (int i = 0; i < 8; ++i) {
      sleepers.emplace_back([&] {
        if (!queue.pop()) ++out;
      });
    }
    queue.close();
    for (std::thread& sleeper : sleepers) sleeper.join();
    ASSERT_EQ(out, 8);
  }
}

// Two threads hand one token back and forth through two queues: every push meets a thread that
// sleeps or is falling asleep.
TEST(Queue, PingPongLosesNoWakeUp) {
  Queue<Item> there(1), back(1);
  constexpr int kRounds = 20'000;
  std::thread echo([&] {
    while (auto taken = there.pop()) {
      if (back.push(taken->item) != Admission::admitted) return;
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    ASSERT_EQ(push(there, i), Admission::admitted);
    ASSERT_EQ(pop_number(back), i);
  }
  there.close();
  echo.join();
}

// Producers refused by a full queue try again, so every number must come out exactly once, and each
// producer's numbers reach each consumer in the order in which they were pushed.
TEST(Queue, ManyProducersAndConsumersCountUp) {
  constexpr int kProducers = 4, kConsumers = 4, kEach = 10'000;
  Queue<Item> queue(64);
  std::atomic<int> refused{0};
  std::vector<std::vector<int>> got(kConsumers);
  std::vector<std::thread> producers, consumers;
  for (int c = 0; c < kConsumers; ++c) {
    consumers.emplace_back([&, c] {
      while (auto taken = queue.pop()) got[c].push_back(*taken->item);
    });
  }
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (int i = 0; i < kEach; ++i) {
        Item item = std::make_unique<int>(p * kEach + i);
        for (Admission admission; (admission = queue.push(item)) != Admission::admitted;) {
          ASSERT_EQ(admission, Admission::full);
          ++refused;
          std::this_thread::yield();
        }
      }
    });
  }
  for (std::thread& producer : producers) producer.join();
  queue.close();
  for (std::thread& consumer : consumers) consumer.join();
  std::vector<int> all;
  for (const auto& part : got) {
    std::vector<int> last(kProducers, -1);
    for (int number : part) {
      ASSERT_GT(number, last[number / kEach]);
      last[number / kEach] = number;
      all.push_back(number);
    }
  }
  std::sort(all.begin(), all.end());
  ASSERT_EQ(all.size(), static_cast<std::size_t>(kProducers * kEach));
  for (int i = 0; i < kProducers * kEach; ++i) ASSERT_EQ(all[i], i);
}

// drain() and close() against running producers and consumers: nothing is lost and nothing comes
// out twice.
TEST(Queue, StopInFullFlightAccountsForEveryItem) {
  for (int round = 0; round < 50; ++round) {
    Queue<Item> queue(32);
    std::atomic<int> admitted{0}, taken{0}, drained{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        for (;;) {
          const Admission admission = push(queue, 1);
          if (admission == Admission::closed) return;
          if (admission == Admission::admitted) ++admitted;
        }
      });
      threads.emplace_back([&] {
        while (queue.pop()) ++taken;
      });
    }
    while (taken < 100) std::this_thread::yield();
    drained += static_cast<int>(queue.drain().size());
    queue.close();
    drained += static_cast<int>(queue.drain().size());
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(admitted, taken + drained);
  }
}

// Returns when `count` threads sleep.
void wait_for_sleepers(const Queue<Item>& queue, std::size_t count) {
  while (queue.sleeping_threads() != count) std::this_thread::yield();
}

TEST(Queue, WhoPopsNextWakesNobodyForItsOwnItem) {
  Queue<Item> queue(10);
  std::thread idle([&] { EXPECT_EQ(pop_number(queue), 2); });
  wait_for_sleepers(queue, 1);
  Item first = std::make_unique<int>(1), second = std::make_unique<int>(2);
  ASSERT_EQ(queue.push(first, Pusher::pops_next), Admission::admitted);
  EXPECT_EQ(queue.sleeping_threads(), 1u);
  EXPECT_EQ(pop_number(queue), 1);
  ASSERT_EQ(queue.push(second, Pusher::goes_on), Admission::admitted);
  idle.join();
}

TEST(Queue, WhoPopsNextWakesAnotherForWhatIsBeyond) {
  Queue<Item> queue(10);
  std::atomic<int> sum{0};
  std::thread idle([&] { sum += pop_number(queue); });
  wait_for_sleepers(queue, 1);
  Item first = std::make_unique<int>(1), second = std::make_unique<int>(2);
  queue.push(first, Pusher::pops_next);
  queue.push(second, Pusher::pops_next);
  idle.join();
  sum += pop_number(queue);
  EXPECT_EQ(sum, 3);
}

TEST(Queue, WaitEndsWhenWokenWithoutAnItem) {
  Queue<Item> queue(10);
  const std::atomic<bool> leaves{false};
  std::thread idle([&] { queue.wait(leaves); });
  wait_for_sleepers(queue, 1);
  queue.wake_one();
  idle.join();
  EXPECT_EQ(queue.sleeping_threads(), 0u);
}

TEST(Queue, WhoIsToLeaveDoesNotSleep) {
  Queue<Item> queue(10);
  std::atomic<bool> leaves{false};
  std::vector<std::thread> idle;
  for (int index = 0; index < 3; ++index) idle.emplace_back([&] { queue.wait(leaves); });
  wait_for_sleepers(queue, 3);
  leaves = true;
  queue.wake_all();
  for (std::thread& thread : idle) thread.join();
  queue.wait(leaves);
}

TEST(Queue, WaitDoesNotSleepBesideAnItemNorWhenClosed) {
  Queue<Item> queue(10);
  const std::atomic<bool> leaves{false};
  push(queue, 1);
  queue.wait(leaves);
  EXPECT_EQ(pop_number(queue), 1);
  EXPECT_FALSE(queue.is_over());
  queue.close();
  queue.wait(leaves);
  EXPECT_TRUE(queue.is_over());
}

}  // namespace
}  // namespace corral::dispatch
