// The ticker with a clock of its own; the last tests have a keeper around it.
#include "tasks/ticker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

#include "tasks/claimer.h"
#include "tasks/keeper_fixture.h"
#include "tasks/memory_store.h"

namespace corral::tasks {
namespace {

constexpr Milliseconds kSlackMs = 60'000;  // what asking the store took is added to what it says

// Counts the questions.
class CountingStore : public MemoryStore {
 public:
  using MemoryStore::MemoryStore;
  Result<Milliseconds> next_tick_ms() override {
    ++questions;
    if (is_broken) return Error{"away"};
    return MemoryStore::next_tick_ms();
  }
  int questions = 0;
  bool is_broken = false;
};

class TickerTest : public testing::Test {
 protected:
  // True when a tick was handed out.
  bool work() {
    auto worked = ticker.work(now_ms);
    EXPECT_TRUE(worked) << worked.error().message;
    return worked && *worked;
  }
  Job begin() { return ready.try_pop().value().item; }
  bool end(const Job& tick, JobStatus status = JobStatus::successful) {
    return ticker.settle(Outcome{tick.id, tick.lease, status, ""}, now_ms);
  }
  // The first tick, which compares the table with the code, is behind us.
  void synchronise() {
    ticker.look(now_ms);
    ASSERT_TRUE(work());
    ASSERT_TRUE(end(begin()));
  }

  Milliseconds now_ms = 1'000'000;
  MemoryDatabase database{[this] { return now_ms; }};
  CountingStore store{database, {"node"}};
  dispatch::Queue<Job> ready{1};
  Ticker ticker{store, ready};
};

TEST_F(TickerTest, AStoreWithoutSchedulesIsAskedOnce) {
  ticker.look(now_ms);
  EXPECT_EQ(ticker.work_at(), now_ms);
  EXPECT_FALSE(work());
  ticker.look(now_ms);
  ticker.look_soon(now_ms);
  EXPECT_EQ(ticker.work_at(), kNever);
  EXPECT_EQ(store.questions, 1);
}

TEST_F(TickerTest, TheFirstTickComesAtOnceAndSynchronisesUntilItSucceeds) {
  database.plan_tick(3'600'000);
  const Milliseconds planned_ms = now_ms + 3'600'000;
  ticker.look(now_ms);
  ASSERT_TRUE(work());
  Job tick = begin();
  EXPECT_EQ(tick.payload, R"({"tick":1,"synchronise":true})");
  EXPECT_TRUE(end(tick, JobStatus::failed));
  EXPECT_FALSE(work());  // asks; the pause has not passed
  now_ms += kTickPauseMinMs;
  ASSERT_TRUE(work());
  tick = begin();
  EXPECT_EQ(tick.payload, R"({"tick":2,"synchronise":true})");
  EXPECT_TRUE(end(tick));
  EXPECT_FALSE(work());
  EXPECT_GE(ticker.work_at(), planned_ms);
  EXPECT_LE(ticker.work_at(), planned_ms + kSlackMs);
  now_ms = ticker.work_at();
  ASSERT_TRUE(work());
  EXPECT_EQ(begin().payload, R"({"tick":3,"synchronise":false})");
}

TEST_F(TickerTest, OneTickAtATime) {
  database.plan_tick(0);
  ticker.look(now_ms);
  ASSERT_TRUE(work());
  ticker.look(now_ms);
  EXPECT_FALSE(work());
  EXPECT_EQ(ticker.work_at(), kNever);  // it waits for a thread, however long
  const Job tick = begin();
  EXPECT_EQ(ticker.work_at(), now_ms + kTickPatienceMs);
  EXPECT_TRUE(end(tick));
  EXPECT_LE(ticker.work_at(), now_ms);
}

TEST_F(TickerTest, WhatIsLeftIsTriedAgainWithGrowingPauses) {
  database.plan_tick(0);
  synchronise();
  EXPECT_FALSE(ticker.is_in_hand());
  Milliseconds pause_ms = 0;
  for (int n = 0; n < 8; ++n) {
    for (int round = 0; !work(); ++round) {
      ASSERT_LT(round, 5) << "the ticker spins";
      now_ms = std::max(now_ms, ticker.work_at());
    }
    ASSERT_TRUE(end(begin(), JobStatus::failed));
    const Milliseconds failed_at_ms = now_ms;
    EXPECT_FALSE(work());
    EXPECT_GE(ticker.work_at() - failed_at_ms, pause_ms);
    pause_ms = std::min(std::max(2 * pause_ms, kTickPauseMinMs), kTickPauseMaxMs);
    EXPECT_GE(ticker.work_at() - failed_at_ms, pause_ms);
    EXPECT_LE(ticker.work_at() - failed_at_ms, kTickPauseMaxMs + kSlackMs);
  }
}

TEST_F(TickerTest, WakesCostOneQuestionASecond) {
  database.plan_tick(3'600'000);
  synchronise();
  EXPECT_FALSE(work());
  const int asked = store.questions;
  for (int n = 0; n < 100; ++n) {
    ticker.look_soon(now_ms);
    work();
    now_ms += 10;
  }
  EXPECT_LE(store.questions - asked, 2);
}

TEST_F(TickerTest, AWakeFindsANewSchedule) {
  database.plan_tick(3'600'000);
  synchronise();
  EXPECT_FALSE(work());
  database.plan_tick(5'000);
  now_ms += kLookAgainMs;
  ticker.look_soon(now_ms);
  EXPECT_FALSE(work());
  EXPECT_LE(ticker.work_at(), now_ms + 4'000 + kSlackMs);
}

TEST_F(TickerTest, ATickWhoseThreadIsSilentIsHandedOutAgainAndItsOutcomeIgnored) {
  database.plan_tick(0);
  ticker.look(now_ms);
  ASSERT_TRUE(work());
  const Job lost = begin();
  now_ms = ticker.work_at();
  ASSERT_TRUE(work());
  const Job again = begin();
  EXPECT_NE(lost.lease, again.lease);
  EXPECT_TRUE(end(lost));
  EXPECT_TRUE(ticker.is_in_hand());
  EXPECT_TRUE(end(again));
  EXPECT_FALSE(ticker.is_in_hand());
}

TEST_F(TickerTest, ATickThatCameBackGoesOutAgain) {
  database.plan_tick(0);
  ticker.look(now_ms);
  ASSERT_TRUE(work());
  EXPECT_TRUE(ticker.take_back(begin(), now_ms));
  EXPECT_FALSE(ticker.is_in_hand());
  ASSERT_TRUE(work());
  EXPECT_TRUE(end(begin()));
}

TEST_F(TickerTest, JobsAreNotTicks) {
  EXPECT_FALSE(ticker.settle(Outcome{"0190-a-row", 1, JobStatus::successful, ""}, now_ms));
  EXPECT_FALSE(ticker.take_back(Job{"0190-a-row", 1, "default", 0, "{}"}, now_ms));
}

TEST_F(TickerTest, ALostDatabaseIsAnErrorAndAskedAgain) {
  database.plan_tick(0);
  ticker.look(now_ms);
  store.is_broken = true;
  EXPECT_FALSE(ticker.work(now_ms));
  store.is_broken = false;
  EXPECT_TRUE(work());
}

// --- in a keeper

bool is_tick(const Job& job) { return job.payload.starts_with(R"({"tick":)"); }

TEST(KeeperTicks, EachTickRunsAndNothingIsWrittenForIt) {
  MemoryDatabase database;
  database.plan_tick(0);
  Counter ticks;
  std::atomic<int> left{20};
  Node node(database, Node::plain(2), [&](const Job& job) {
    EXPECT_TRUE(is_tick(job));
    if (database.take_tick()) {
      ticks.add();
      if (--left > 0) database.plan_tick(1);
    }
    return JobStatus::successful;
  });
  node.start();
  EXPECT_TRUE(ticks.wait_for(20));
  node.stop();
  EXPECT_EQ(node.store.calls(Call::finish), 0);
  EXPECT_EQ(node.store.calls(Call::release), 0);
  EXPECT_EQ(node.log.count("CORRAL-502"), 0) << node.log.text();
}

TEST(KeeperTicks, ATickBehindSlowJobsStaysAndRunsWhenAThreadIsFree) {
  MemoryDatabase database;
  database.plan_tick(3'600'000);
  auto options = Node::plain(1);
  options.limits.prefetch_patience_ms = 5;
  Counter ticks;
  Event slow_began, slow_may_end;
  Node node(database, options, [&](const Job& job) {
    if (is_tick(job)) {
      if (database.take_tick()) ticks.add();
      return JobStatus::successful;
    }
    slow_began.set();
    EXPECT_TRUE(slow_may_end.wait());
    return JobStatus::successful;
  });
  const std::string slow = database.enqueue({.payload = "slow"});
  node.start();
  EXPECT_TRUE(slow_began.wait());
  database.plan_tick(0);
  node.keeper.wake();
  // It comes back from the ready queue and goes out again, without a spin, until the thread is
  // free.
  slow_may_end.set();
  EXPECT_TRUE(ticks.wait_for(1));
  EXPECT_TRUE(
      node.store.wait_until([&] { return database.find(slow)->status == RowStatus::successful; }));
  node.stop();
}

TEST(KeeperTicks, DrainWaitsForTheTickInHandAndDropsTheOneThatWaits) {
  MemoryDatabase database;
  database.plan_tick(0);
  Event began, may_end;
  Node node(database, Node::plain(1), [&](const Job&) {
    began.set();
    EXPECT_TRUE(may_end.wait());
    return JobStatus::successful;
  });
  node.start();
  EXPECT_TRUE(began.wait());
  std::thread letting_go([&] { may_end.set(); });
  EXPECT_EQ(node.stop(), 0);
  letting_go.join();
  EXPECT_EQ(node.log.count("CORRAL-50"), 0) << node.log.text();

  database.plan_tick(0);
  Node unmanned(database, Node::plain(1), [](const Job&) { return JobStatus::failed; }, "other");
  ASSERT_TRUE(unmanned.keeper.start());
  EXPECT_TRUE(unmanned.store.wait_for_calls(Call::next_tick, 1));
  EXPECT_EQ(unmanned.stop(), 0);
}

}  // namespace
}  // namespace corral::tasks
