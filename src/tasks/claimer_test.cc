// The claimer's policy, with a clock of its own: nothing here waits.
#include "tasks/claimer.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>
#include <vector>

#include "tasks/finisher.h"
#include "tasks/memory_store.h"

namespace corral::tasks {
namespace {

class CountingStore : public MemoryStore {
 public:
  using MemoryStore::MemoryStore;
  Result<Claim> claim(int limit, Suspects suspects) override {
    ++(suspects == Suspects::one ? suspect_claims : claims);
    return MemoryStore::claim(limit, suspects);
  }
  Result<bool> changed() override {
    ++looks;
    return MemoryStore::changed();
  }
  int claims = 0, suspect_claims = 0, looks = 0;
};

class ClaimerTest : public testing::Test {
 protected:
  static TaskLimits limits() {
    TaskLimits limits;
    limits.prefetch_max = 4;
    limits.prefetch_span_ms = 3'600'000;  // what was finished once counts in the whole test
    limits.poll_interval_ms = 1'000;
    return limits;
  }
  // Has finished so many jobs that it prefetches all it may.
  void SetUp() override {
    ASSERT_TRUE(store.open());
    claimer.opened(now_ms);
    for (int n = 0; n < 6; ++n) {
      enqueue(1);
      claimer.ask();
      settle_down();
      end(begin());
    }
    claimer.ask();
  }
  void enqueue(int count, Milliseconds delay_ms = 0) {
    for (int n = 0; n < count; ++n) database.enqueue({.payload = "x", .delay_ms = delay_ms});
  }
  // Jobs that another node held when it died.
  void enqueue_suspects(int count) {
    MemoryStore dead(database, {"dead", 1});
    ASSERT_TRUE(dead.open());
    enqueue(count);
    ASSERT_EQ(dead.claim(count, Store::Suspects::none)->jobs.size(),
              static_cast<std::size_t>(count));
    dead.close();
    claimer.beaten(*store.beat(), now_ms);
  }
  void work() {
    auto worked = claimer.work(now_ms);
    ASSERT_TRUE(worked) << worked.error().message;
  }
  // As a keeper does: work as long as there is something to do now.
  void settle_down() {
    for (int round = 0; claimer.work_at(now_ms) <= now_ms; ++round) {
      ASSERT_LT(round, 20) << "the claimer spins";
      work();
    }
  }
  Job begin() { return ready.try_pop().value().item; }
  void end(const Job& job) {
    const Outcome outcome{job.id, job.lease, JobStatus::successful, "{}"};
    EXPECT_TRUE(claimer.settle(outcome, now_ms));
    ASSERT_TRUE(store.finish(std::span(&outcome, 1)));
  }

  Milliseconds now_ms = 1'000'000;
  MemoryDatabase database{[this] { return now_ms; }};
  CountingStore store{database, {"node", 3'600'000}};
  dispatch::Queue<Job> ready{6};
  Claimer claimer{store, ready, 2, limits()};  // 2 threads + 4
};

TEST_F(ClaimerTest, ClaimsNoMoreThanThreadsAndPrefetch) {
  enqueue(20);
  settle_down();
  EXPECT_EQ(claimer.held(), 6);
  EXPECT_EQ(ready.depth(), 6u);
}

// The usual limits, and nothing finished yet.
class SlowClaimerTest : public ClaimerTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(store.open());
    slow.opened(now_ms);
  }
  void settle_down() {
    for (int round = 0; slow.work_at(now_ms) <= now_ms; ++round) {
      ASSERT_LT(round, 20) << "the claimer spins";
      ASSERT_TRUE(slow.work(now_ms));
    }
  }
  void end(const Job& job) {
    const Outcome outcome{job.id, job.lease, JobStatus::successful, "{}"};
    EXPECT_TRUE(slow.settle(outcome, now_ms));
    ASSERT_TRUE(store.finish(std::span(&outcome, 1)));
  }

  static constexpr int kCapacity = 2 + TaskLimits{}.prefetch_max;
  dispatch::Queue<Job> ready{kCapacity};
  Claimer slow{store, ready, 2, TaskLimits{}};
};

TEST_F(SlowClaimerTest, HoldsNoMoreThanItsThreads) {
  enqueue(20);
  std::deque<Job> running;
  for (int n = 0; n < 10; ++n) {
    settle_down();
    while (auto taken = ready.try_pop()) running.push_back(taken->item);
    EXPECT_EQ(running.size(), 2u);
    EXPECT_EQ(slow.held(), 2);
    now_ms += 100;
    end(running.front());
    running.pop_front();
  }
  EXPECT_EQ(database.count(RowStatus::ready), 9) << "what waits is READY";
}

TEST_F(SlowClaimerTest, ClaimsEverMoreWhileJobsAreQuick) {
  enqueue(5'000);
  std::vector<int> claims;
  for (; now_ms < 1'000'100; ++now_ms) {
    const std::size_t before = ready.depth();
    settle_down();
    if (ready.depth() > before) claims.push_back(static_cast<int>(ready.depth() - before));
    for (int n = 0; n < 20; ++n) {
      if (auto taken = ready.try_pop()) end(taken->item);
    }
  }
  ASSERT_GT(claims.size(), 4u);
  EXPECT_EQ(claims.front(), 2);
  EXPECT_GT(claims.back(), 80);
  EXPECT_LE(slow.held(), kCapacity);
}

TEST_F(SlowClaimerTest, WhatIsStuckBehindSlowJobsGoesBack) {
  enqueue(1'000);
  for (int n = 0; n < 100; ++n) {
    settle_down();
    end(ready.try_pop().value().item);
  }
  settle_down();
  const Job slow_one = ready.try_pop().value().item;
  const Job slow_two = ready.try_pop().value().item;
  ASSERT_GT(slow.held(), 10);
  const Milliseconds stale_ms = now_ms + TaskLimits{}.prefetch_patience_ms;
  now_ms = stale_ms - 1;
  EXPECT_EQ(slow.work_at(now_ms), stale_ms);
  settle_down();
  ASSERT_GT(slow.held(), 10);
  now_ms = stale_ms;
  settle_down();
  EXPECT_EQ(slow.held(), 2) << "only what threads are at";
  EXPECT_EQ(ready.depth(), 0u);
  EXPECT_EQ(database.count(RowStatus::running), 2);
  EXPECT_EQ(slow.work_at(now_ms), kNever);
  end(slow_one);
  settle_down();
  EXPECT_EQ(slow.held(), 2) << "they are still wanted, one by one";
  end(slow_two);
}

TEST_F(SlowClaimerTest, ASlowStoreIsAskedForMore) {
  class Distant : public CountingStore {
   public:
    using CountingStore::CountingStore;
    Result<Claim> claim(int limit, Suspects suspects) override {
      const Milliseconds end_ms = monotonic_ms() + 60;
      while (monotonic_ms() < end_ms) std::this_thread::yield();
      return CountingStore::claim(limit, suspects);
    }
  };
  Distant distant(database, {"distant", 3'600'000});
  Claimer patient(distant, ready, 2, TaskLimits{});
  patient.opened(now_ms);
  enqueue(200);
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(patient.work(now_ms));
    now_ms += 120;  // a claim and a finish
    while (auto taken = ready.try_pop()) {
      const Outcome outcome{taken->item.id, taken->item.lease, JobStatus::successful, "{}"};
      EXPECT_TRUE(patient.settle(outcome, now_ms));
    }
  }
  EXPECT_LT(database.count(RowStatus::ready), 200 - 6 * 2 - 10)
      << "two a round would be no progress";
}

TEST_F(ClaimerTest, AWakeCostsNothingWhileEverythingIsBusyAndPrefetched) {
  enqueue(20);
  settle_down();
  const int claims = store.claims;
  begin(), begin(), begin();
  EXPECT_FALSE(claimer.ask()) << "a full claim asks again by itself; a wake is no news";
  EXPECT_EQ(claimer.work_at(now_ms), now_ms + limits().prefetch_patience_ms);
  settle_down();
  EXPECT_EQ(store.claims, claims);
}

TEST_F(ClaimerTest, AsksAgainWhenSlotsFreeUpWithoutAWake) {
  enqueue(8);
  settle_down();
  while (ready.depth() > 0) end(begin());
  EXPECT_LE(claimer.work_at(now_ms), now_ms);
  settle_down();
  EXPECT_EQ(ready.depth(), 2u);
  EXPECT_FALSE(claimer.is_asked())
      << "the last claim brought fewer than asked for: nothing more waits";
}

TEST_F(ClaimerTest, LooksForForeignRowsAtTheInterval) {
  settle_down();
  EXPECT_EQ(claimer.work_at(now_ms), now_ms + 1'000);
  now_ms += 1'000;
  settle_down();
  EXPECT_EQ(store.looks, 1);
  const int claims = store.claims;
  enqueue(1);
  now_ms += 1'000;
  settle_down();
  EXPECT_EQ(store.looks, 2);
  EXPECT_EQ(store.claims, claims + 1);
  EXPECT_EQ(claimer.held(), 1);
}

TEST_F(ClaimerTest, WakesForAJobWhoseTimeComes) {
  enqueue(1, 400);
  settle_down();
  const Milliseconds due_ms = claimer.work_at(now_ms);
  EXPECT_GE(due_ms, now_ms + 400);
  EXPECT_LE(due_ms, now_ms + 402);
  now_ms = due_ms;
  settle_down();
  EXPECT_EQ(claimer.held(), 1);
}

// A store that says "due now" and then returns nothing, as when another node is faster each time.
TEST_F(ClaimerTest, ADueJobThatCannotBeHadIsAskedForEverMoreRarely) {
  class Teasing : public CountingStore {
   public:
    using CountingStore::CountingStore;
    Result<Claim> claim(int limit, Suspects suspects) override {
      auto claim = CountingStore::claim(limit, suspects);
      claim->next_due_ms = 0;
      return claim;
    }
  };
  Teasing teasing(database, {"teased", 3'600'000});
  Claimer teased(teasing, ready, 2, limits());
  teased.opened(now_ms);
  const Milliseconds end_ms = now_ms + 10'000;
  for (now_ms = teased.work_at(now_ms); now_ms < end_ms; now_ms = teased.work_at(now_ms)) {
    ASSERT_TRUE(teased.work(now_ms));
  }
  EXPECT_LT(teasing.claims, 40);
}

TEST_F(ClaimerTest, ASuspectRunsAlone) {
  enqueue_suspects(1);
  settle_down();
  ASSERT_EQ(claimer.held(), 1);
  const Job suspect = begin();
  EXPECT_EQ(suspect.crashes, 1);
  enqueue(3);
  claimer.ask();
  EXPECT_EQ(claimer.work_at(now_ms), kNever);
  settle_down();
  EXPECT_EQ(claimer.held(), 1) << "nothing is claimed beside a suspect";
  end(suspect);
  settle_down();
  EXPECT_EQ(ready.depth(), 3u);
}

TEST_F(ClaimerTest, APlainJobComesBeforeASuspectAlsoBehindATick) {
  enqueue_suspects(1);
  enqueue(1);
  database.plan_tick(0);
  dispatch::Queue<Job> line{8};
  Claimer restarted{store, line, 2, limits()};
  restarted.opened(now_ms);  // a tick is handed out at once
  ASSERT_TRUE(restarted.work(now_ms));
  ASSERT_EQ(line.depth(), 2u);
  EXPECT_NE(line.try_pop()->item.payload.find("tick"), std::string::npos);
  EXPECT_EQ(line.try_pop()->item.crashes, 0);
}

TEST_F(ClaimerTest, ASuspectIsNotBegunBesideOthersAndNotHeldEither) {
  enqueue(1);
  settle_down();
  const Job job = begin();
  enqueue_suspects(1);
  settle_down();
  EXPECT_EQ(claimer.held(), 1);
  EXPECT_EQ(database.count(RowStatus::ready), 1) << "looked at and given back";
  end(job);
  settle_down();
  EXPECT_EQ(begin().crashes, 1);
}

TEST_F(ClaimerTest, ABusyQueueCannotStarveASuspect) {
  enqueue(1'000);
  settle_down();
  enqueue_suspects(1);
  settle_down();
  const Milliseconds known_ms = now_ms;
  std::optional<Milliseconds> begun_ms;
  while (!begun_ms && now_ms < known_ms + 2 * kSuspectPatienceMs) {
    now_ms += 100;
    const Job job = begin();
    if (job.crashes > 0) {
      begun_ms = now_ms;
      EXPECT_EQ(claimer.held(), 1);
    }
    end(job);
    settle_down();
  }
  ASSERT_TRUE(begun_ms);
  EXPECT_GE(*begun_ms - known_ms, kSuspectPatienceMs) << "the others come first for a while";
  EXPECT_LE(*begun_ms - known_ms, kSuspectPatienceMs + 1'000);
}

// One crash makes suspects of all that was claimed then.
TEST_F(ClaimerTest, QuickSuspectsShareATurn) {
  enqueue(1'000);
  settle_down();
  enqueue_suspects(50);
  settle_down();
  const Milliseconds known_ms = now_ms;
  int suspects = 0;
  Milliseconds turn_end_ms = 0;
  while (suspects < 50 && now_ms < known_ms + 4 * kSuspectPatienceMs) {
    now_ms += 10;
    const Job job = begin();
    if (job.crashes > 0) {
      ++suspects;
      turn_end_ms = now_ms;
    }
    end(job);
    settle_down();
  }
  EXPECT_EQ(suspects, 50);
  EXPECT_LE(turn_end_ms - known_ms, kSuspectPatienceMs + kSuspectTurnMs + 100);
}

TEST_F(ClaimerTest, TheOthersHaveTheirTimeBetweenSlowSuspects) {
  enqueue(5'000);
  settle_down();
  enqueue_suspects(3);
  settle_down();
  std::vector<Milliseconds> ended_ms;
  while (ended_ms.size() < 3) {
    ASSERT_LT(now_ms, 1'200'000);
    const Job job = begin();
    if (job.crashes == 0) {
      now_ms += 10;
    } else {
      const Milliseconds between_ms = ended_ms.empty() ? kNever : now_ms - ended_ms.back();
      EXPECT_GE(between_ms, kSuspectPatienceMs);
      now_ms += 60'000;
      ended_ms.push_back(now_ms);
    }
    end(job);
    settle_down();
  }
}

TEST_F(ClaimerTest, ManySuspectsDoNotStarveTheOthers) {
  enqueue_suspects(5);
  enqueue(3);
  std::string order;
  for (int n = 0; n < 8; ++n) {
    settle_down();
    const Job job = begin();
    order += job.crashes > 0 ? 's' : 'o';
    end(job);
  }
  EXPECT_EQ(order, "ooosssss");
}

TEST_F(ClaimerTest, SettlesByIdAndLease) {
  enqueue(1);
  settle_down();
  const Job old = begin();
  ASSERT_TRUE(store.release(std::span(&old, 1)));  // as a rescue by another node does
  claimer.ask();
  settle_down();
  EXPECT_EQ(claimer.held(), 2) << "both attempts are on this node";
  EXPECT_TRUE(claimer.settle({old.id, old.lease, JobStatus::failed, ""}, now_ms));
  EXPECT_FALSE(claimer.settle({old.id, old.lease, JobStatus::failed, ""}, now_ms));
  EXPECT_EQ(claimer.held(), 1);
}

class FinisherTest : public ClaimerTest {
 protected:
  Finisher finisher{store, TaskLimits{}};
};

TEST_F(FinisherTest, ABatchIsDueWhenOldFullOrWhenTheQueueRunsLow) {
  EXPECT_EQ(finisher.due_at(0, true), kNever);
  const Milliseconds before_ms = monotonic_ms();
  EXPECT_TRUE(finisher.push({"a", 1, JobStatus::successful, "{}"}, false)) << "a batch begins";
  EXPECT_FALSE(finisher.push({"b", 1, JobStatus::successful, "{}"}, false))
      << "the keeper knows of the batch";
  EXPECT_TRUE(finisher.push({"c", 1, JobStatus::successful, "{}"}, true))
      << "the keeper has to claim";
  EXPECT_GE(finisher.due_at(0, false), before_ms + TaskLimits{}.finish_delay_max_ms);
  EXPECT_EQ(finisher.due_at(7, true), 7);
  for (int n = 3; n < TaskLimits{}.finish_batch_max - 1; ++n) {
    EXPECT_FALSE(finisher.push({"x", n, JobStatus::successful, "{}"}, false));
  }
  EXPECT_TRUE(finisher.push({"full", 1, JobStatus::successful, "{}"}, false));
  EXPECT_EQ(finisher.due_at(7, false), 7);
}

TEST_F(FinisherTest, WritesInBatchesAndCountsLateOnes) {
  for (int n = 0; n < 450; ++n) finisher.push({"unknown", n, JobStatus::successful, "{}"}, false);
  EXPECT_EQ(finisher.collect([](const Outcome& outcome) { return outcome.lease % 2 == 0; }), 225);
  EXPECT_EQ(finisher.unwritten(), 225u);
  auto late = finisher.flush();
  ASSERT_TRUE(late);
  EXPECT_EQ(*late, 225);
  EXPECT_EQ(finisher.unwritten(), 0u);
  EXPECT_EQ(finisher.due_at(0, true), kNever);
}

}  // namespace
}  // namespace corral::tasks
