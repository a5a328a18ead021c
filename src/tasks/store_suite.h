// The tests that every job store passes; store_suite_test.cc includes this once and names the
// worlds (store_world.h) they run in.
//
// Tests of the test suite's own kind: real rows, no waiting; time passes because the world moves
// it.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/store_world.h"

namespace corral::tasks {

class StoreSuite : public testing::TestWithParam<MakeStoreWorld> {
 protected:
  void SetUp() override {
    world_ = GetParam()();
    if (!world_) GTEST_SKIP() << "the database of these tests is not named";
    const auto opened = store().open();
    ASSERT_TRUE(opened) << opened.error().message;
  }
  void TearDown() override {
    if (world_) store().close();
  }

  Store& store() { return world_->node(0); }
  Store& other() { return world_->node(1); }
  Row row(const std::string& id) { return world_->row(id); }

  std::vector<std::string> enqueue(int count) {
    std::vector<std::string> ids;
    for (int n = 0; n < count; ++n) ids.push_back(world_->enqueue({.payload = std::to_string(n)}));
    return ids;
  }
  std::vector<Job> claim(Store& from, int limit, Store::Suspects suspects = Store::Suspects::none) {
    auto claim = from.claim(limit, suspects);
    EXPECT_TRUE(claim) << claim.error().message;
    return claim ? claim->jobs : std::vector<Job>{};
  }
  // What a runner makes of an attempt that took no time and ended now, and `more`.
  static std::string result_of(const std::string& more) {
    const std::string now = std::to_string(monotonic_ns());
    return R"({"began": )" + now + R"(, "ended": )" + now + ", " + more + "}";
  }
  static Outcome outcome_of(const Job& job, JobStatus status = JobStatus::successful) {
    return Outcome{
        job.id, job.lease, status,
        result_of(status == JobStatus::successful ? R"("return_value": "1")"
                                                  : R"("errors": "[{\"message\": \"no\"}]")")};
  }
  static int count_of(const std::vector<Job>& jobs, std::string_view queue) {
    int count = 0;
    for (const Job& job : jobs) count += job.queue == queue ? 1 : 0;
    return count;
  }
  int finish(Store& to, std::vector<Outcome> outcomes) {
    auto late = to.finish(outcomes);
    EXPECT_TRUE(late) << late.error().message;
    return late ? *late : -1;
  }
  // Node 0 claims a job and falls silent; node 1 rescues it.
  Job make_suspect(const std::string& id) {
    Job job = claim(store(), 1).at(0);
    EXPECT_EQ(job.id, id);
    world_->pass(kWorldLeaseMs + 1);
    EXPECT_EQ(*other().open(), 1);
    return job;
  }

  std::unique_ptr<StoreWorld> world_;
};

TEST_P(StoreSuite, ClaimsNoMoreThanAskedOldestFirst) {
  const auto ids = enqueue(5);
  const auto first = claim(store(), 2);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].id, ids[0]);
  EXPECT_EQ(first[1].id, ids[1]);
  EXPECT_EQ(row(ids[0]).status, RowStatus::running);
  EXPECT_EQ(row(ids[0]).attempts, 1);
  EXPECT_EQ(row(ids[2]).status, RowStatus::ready);
  EXPECT_EQ(claim(store(), 10).size(), 3u);
  EXPECT_TRUE(claim(store(), 10).empty());
}

TEST_P(StoreSuite, HandsOutPayloadQueueAndLease) {
  const auto id = world_->enqueue({.payload = R"({"name": "täsk"})", .queue = "mail"});
  const auto jobs = claim(store(), 1);
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(world_->payload_of(jobs[0]), R"({"name": "täsk"})");
  EXPECT_EQ(jobs[0].queue, "mail");
  EXPECT_EQ(jobs[0].crashes, 0);
  EXPECT_FALSE(jobs[0].at_most_once);
  EXPECT_EQ(jobs[0].lease, row(id).lease);
}

TEST_P(StoreSuite, HigherPriorityGoesFirst) {
  const auto low = world_->enqueue({.payload = "low", .priority = -10});
  const auto plain = world_->enqueue({.payload = "plain"});
  const auto high = world_->enqueue({.payload = "high", .priority = 10});
  const auto jobs = claim(store(), 3);
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[0].id, high);
  EXPECT_EQ(jobs[1].id, plain);
  EXPECT_EQ(jobs[2].id, low);
}

TEST_P(StoreSuite, APausedQueueIsSkippedUntilItIsResumed) {
  const auto mail = world_->enqueue({.payload = "1", .queue = "mail", .priority = 9});
  const auto other = world_->enqueue({.payload = "2"});
  world_->pause("mail", -1);
  auto claimed = store().claim(5, Store::Suspects::none);
  ASSERT_TRUE(claimed) << claimed.error().message;
  ASSERT_EQ(claimed->jobs.size(), 1u);
  EXPECT_EQ(claimed->jobs[0].id, other);
  EXPECT_EQ(claimed->next_due_ms, -1);
  ASSERT_TRUE(store().changed());  // a store may count its own claim as news, once
  auto changed = store().changed();
  ASSERT_TRUE(changed);
  EXPECT_FALSE(*changed);
  world_->resume("mail");
  const auto resumed = claim(store(), 5);
  ASSERT_EQ(resumed.size(), 1u);
  EXPECT_EQ(resumed[0].id, mail);
}

TEST_P(StoreSuite, APausedQueueGoesOnAtItsTime) {
  const auto id = world_->enqueue({.payload = "1", .queue = "mail"});
  world_->pause("mail", 60'000);
  auto claimed = store().claim(5, Store::Suspects::none);
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_TRUE(claimed->jobs.empty());
  EXPECT_GT(claimed->next_due_ms, 50'000);
  EXPECT_LE(claimed->next_due_ms, 60'000);
  world_->pass(60'001);
  EXPECT_EQ(claim(store(), 5).size(), 1u);
  EXPECT_EQ(row(id).status, RowStatus::running);
}

TEST_P(StoreSuite, WhatRunsGoesOnWhenItsQueueIsPaused) {
  const auto id = world_->enqueue({.payload = "1", .queue = "mail"});
  const auto job = claim(store(), 1).at(0);
  world_->pause("mail", -1);
  EXPECT_EQ(finish(store(), {outcome_of(job)}), 0);
  EXPECT_EQ(row(id).status, RowStatus::successful);
}

TEST_P(StoreSuite, AFullQueueLeavesASmallOneItsShare) {
  for (int n = 0; n < 40; ++n) world_->enqueue({.payload = "n", .queue = "full", .priority = 50});
  const auto small = world_->enqueue({.payload = "n", .queue = "small"});
  const auto jobs = claim(store(), 10);
  ASSERT_EQ(jobs.size(), 10u);  // what the small one does not need goes to the full one
  EXPECT_EQ(count_of(jobs, "small"), 1);
  EXPECT_EQ(jobs.back().id, small);  // by priority within what was claimed
}

TEST_P(StoreSuite, EachQueueGetsItsWeightsShareOfTheClaims) {
  for (int n = 0; n < 60; ++n) {
    world_->enqueue({.payload = "n", .queue = "light", .priority = 1});
    world_->enqueue({.payload = "n", .queue = kWorldHeavyQueue});
  }
  EXPECT_EQ(count_of(claim(store(), 20), kWorldHeavyQueue), 15);
  int heavy = 0;
  for (int n = 0; n < 20; ++n) heavy += count_of(claim(store(), 1), kWorldHeavyQueue);
  EXPECT_EQ(heavy, 15);  // also where each claim is of one job
}

TEST_P(StoreSuite, AQueueThatWasIdleSavedNothingUp) {
  for (int n = 0; n < 40; ++n) world_->enqueue({.payload = "n", .queue = "busy"});
  EXPECT_EQ(claim(store(), 20).size(), 20u);
  for (int n = 0; n < 20; ++n) world_->enqueue({.payload = "n", .queue = "new"});
  const int fresh = count_of(claim(store(), 10), "new");
  EXPECT_GE(fresh, 5);
  EXPECT_LE(fresh, 6);  // its first job and the other's last may bear one tag
}

TEST_P(StoreSuite, AJobThatBecameDueDoesNotOvertakeOlderOnes) {
  const auto older = world_->enqueue({.payload = "older"});
  const auto deferred = world_->enqueue({.payload = "deferred", .delay_ms = 1'000});
  world_->pass(2'000);
  const auto younger = world_->enqueue({.payload = "younger"});
  const auto jobs = claim(store(), 3);
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[0].id, older);
  EXPECT_EQ(jobs[1].id, deferred);
  EXPECT_EQ(jobs[2].id, younger);
}

TEST_P(StoreSuite, ACancelledJobThatWaitsIsEndedAndNeverClaimed) {
  const auto id = world_->enqueue({.payload = "1"});
  const auto later = world_->enqueue({.payload = "2", .delay_ms = 60'000});
  const auto left = world_->enqueue({.payload = "3"});
  world_->cancel(id);
  world_->cancel(later);
  EXPECT_EQ(claim(store(), 5).at(0).id, left);
  auto ours = store().cancelled();
  ASSERT_TRUE(ours) << ours.error().message;
  EXPECT_TRUE(ours->empty());
  for (const auto& ended : {id, later}) {
    EXPECT_EQ(row(ended).status, RowStatus::failed);
    EXPECT_NE(row(ended).result.find("TaskCancelled"), std::string::npos);
  }
  EXPECT_EQ(row(left).status, RowStatus::running);
}

TEST_P(StoreSuite, TheNodeThatRunsACancelledJobHearsOfIt) {
  const auto id = world_->enqueue({.payload = "1"});
  const auto job = claim(store(), 1).at(0);
  ASSERT_TRUE(other().open());
  world_->cancel(id);
  EXPECT_TRUE(other().cancelled()->empty());
  auto ours = store().cancelled();
  ASSERT_TRUE(ours) << ours.error().message;
  ASSERT_EQ(ours->size(), 1u);
  EXPECT_EQ(ours->at(0).id, id);
  EXPECT_EQ(ours->at(0).lease, job.lease);
  EXPECT_EQ(row(id).status, RowStatus::running);
  EXPECT_EQ(finish(store(), {outcome_of(job, JobStatus::failed)}), 0);
  EXPECT_TRUE(store().cancelled()->empty());
}

TEST_P(StoreSuite, ACancelledJobThatIsGivenBackIsEnded) {
  const auto id = world_->enqueue({.payload = "1"});
  const std::vector<Job> jobs = claim(store(), 1);
  world_->cancel(id);
  ASSERT_TRUE(store().release(jobs));
  EXPECT_TRUE(claim(store(), 1).empty());
  EXPECT_TRUE(store().cancelled()->empty());
  EXPECT_EQ(row(id).status, RowStatus::failed);
}

TEST_P(StoreSuite, ACancelledJobIsNotRetried) {
  const auto id = world_->enqueue({.payload = "1"});
  const auto job = claim(store(), 1).at(0);
  world_->cancel(id);
  EXPECT_EQ(finish(store(), {Outcome{job.id, job.lease, JobStatus::retry,
                                     result_of(R"("retry_in": 0, "errors": "[]")")}}),
            0);
  EXPECT_TRUE(claim(store(), 1).empty());
  EXPECT_TRUE(store().cancelled()->empty());
  EXPECT_EQ(row(id).status, RowStatus::failed);
}

TEST_P(StoreSuite, ACancelledJobOfADeadNodeIsEnded) {
  const auto id = world_->enqueue({.payload = "1"});
  EXPECT_EQ(claim(store(), 1).size(), 1u);
  world_->cancel(id);
  world_->pass(kWorldLeaseMs + 1);
  EXPECT_EQ(*other().open(), 1);
  EXPECT_TRUE(other().cancelled()->empty());
  EXPECT_EQ(row(id).status, RowStatus::failed);
}

TEST_P(StoreSuite, AJobWaitsForItsTime) {
  world_->enqueue({.payload = "later", .delay_ms = 60'000});
  auto early = store().claim(5, Store::Suspects::none);
  ASSERT_TRUE(early);
  EXPECT_TRUE(early->jobs.empty());
  EXPECT_GT(early->next_due_ms, 30'000);
  EXPECT_LE(early->next_due_ms, 60'000);
  world_->pass(60'001);
  auto due = store().claim(5, Store::Suspects::none);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->jobs.size(), 1u);
  EXPECT_EQ(due->next_due_ms, -1);
}

TEST_P(StoreSuite, FinishWritesStatusAndResult) {
  enqueue(2);
  const auto jobs = claim(store(), 2);
  ASSERT_EQ(jobs.size(), 2u);
  EXPECT_EQ(finish(store(), {outcome_of(jobs[0]), outcome_of(jobs[1], JobStatus::failed)}), 0);
  EXPECT_EQ(row(jobs[0].id).status, RowStatus::successful);
  EXPECT_EQ(row(jobs[1].id).status, RowStatus::failed);
  EXPECT_TRUE(claim(store(), 2).empty());
}

TEST_P(StoreSuite, ARepeatedFinishIsLateAndHarmless) {
  enqueue(1);
  const auto jobs = claim(store(), 1);
  EXPECT_EQ(finish(store(), {outcome_of(jobs.at(0))}), 0);
  EXPECT_EQ(finish(store(), {outcome_of(jobs.at(0), JobStatus::failed)}), 1);
  EXPECT_EQ(row(jobs[0].id).status, RowStatus::successful);
}

TEST_P(StoreSuite, AJobToBeRetriedIsReadyAgainWhenItsTimeHasCome) {
  const auto id = enqueue(1).at(0);
  const auto jobs = claim(store(), 1);
  const std::string result = result_of(R"("retry_in": 60000000)");
  EXPECT_EQ(finish(store(), {{id, jobs.at(0).lease, JobStatus::retry, result}}), 0);
  EXPECT_EQ(row(id).status, RowStatus::ready);
  EXPECT_EQ(row(id).attempts, 1);
  auto early = store().claim(1, Store::Suspects::none);
  ASSERT_TRUE(early);
  EXPECT_TRUE(early->jobs.empty());
  EXPECT_GT(early->next_due_ms, 30'000);
  EXPECT_LE(early->next_due_ms, 60'000);
  EXPECT_EQ(finish(store(), {outcome_of(jobs[0])}), 1) << "its attempt is over";
  world_->pass(60'001);
  const auto again = claim(store(), 1);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_GT(again[0].lease, jobs[0].lease);
  EXPECT_EQ(finish(store(), {outcome_of(again[0])}), 0);
  EXPECT_EQ(row(id).status, RowStatus::successful);
  EXPECT_EQ(row(id).attempts, 2);
}

TEST_P(StoreSuite, AJobToBeRetriedAtOnceIsDueAtOnce) {
  const auto id = enqueue(1).at(0);
  const auto jobs = claim(store(), 1);
  const std::string result = result_of(R"("retry_in": 0)");
  EXPECT_EQ(finish(store(), {{id, jobs.at(0).lease, JobStatus::retry, result}}), 0);
  EXPECT_EQ(claim(store(), 1).size(), 1u);
}

TEST_P(StoreSuite, PruneDeletesFinishedJobsWhoseRetentionIsOver) {
  const auto ids = enqueue(5);
  const auto jobs = claim(store(), 4);
  ASSERT_EQ(jobs.size(), 4u);
  const auto result = [](const char* retention) {
    return result_of(R"("return_value": "1", "retention": )" + std::string(retention));
  };
  EXPECT_EQ(finish(store(), {{ids[0], jobs[0].lease, JobStatus::successful, result("60")},
                             {ids[1], jobs[1].lease, JobStatus::failed, result("60")},
                             {ids[2], jobs[2].lease, JobStatus::successful, result("null")}}),
            0);
  EXPECT_EQ(*store().prune(10), 0);
  world_->pass(60'001);
  EXPECT_EQ(*store().prune(1), 1) << "no more than asked";
  EXPECT_EQ(*store().prune(10), 1);
  EXPECT_EQ(*store().prune(10), 0);
  EXPECT_FALSE(world_->exists(ids[0]));
  EXPECT_FALSE(world_->exists(ids[1]));
  EXPECT_TRUE(world_->exists(ids[2])) << "kept for ever";
  EXPECT_EQ(row(ids[3]).status, RowStatus::running);
  EXPECT_EQ(row(ids[4]).status, RowStatus::ready);
}

TEST_P(StoreSuite, ReleaseGivesBackAsIfNeverClaimed) {
  enqueue(1);
  const auto jobs = claim(store(), 1);
  ASSERT_TRUE(store().release(jobs));
  EXPECT_EQ(row(jobs.at(0).id).status, RowStatus::ready);
  EXPECT_EQ(row(jobs[0].id).attempts, 0);
  EXPECT_EQ(row(jobs[0].id).crashes, 0);
  const auto again = claim(store(), 1);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_GT(again[0].lease, jobs[0].lease);
  EXPECT_EQ(finish(store(), {outcome_of(jobs[0])}), 1)
      << "the released attempt must not finish the next one";
  ASSERT_TRUE(store().release(jobs)) << "nor give it back";
  EXPECT_EQ(row(jobs[0].id).status, RowStatus::running);
}

TEST_P(StoreSuite, TwoNodesNeverGetTheSameJob) {
  enqueue(20);
  ASSERT_TRUE(other().open());
  std::set<std::string> seen;
  for (int round = 0; round < 5; ++round) {
    for (Store* node : std::array{&store(), &other()}) {
      for (const Job& job : claim(*node, 2)) EXPECT_TRUE(seen.insert(job.id).second) << job.id;
    }
  }
  EXPECT_EQ(seen.size(), 20u);
  other().close();
}

TEST_P(StoreSuite, ASilentNodesJobsAreRescuedAndItsLateFinishIsFenced) {
  const auto id = enqueue(1).at(0);
  const Job job = make_suspect(id);
  EXPECT_EQ(row(id).status, RowStatus::ready);
  EXPECT_EQ(row(id).crashes, 1);
  EXPECT_EQ(row(id).attempts, 0) << "a crash is not a failed attempt";
  EXPECT_EQ(finish(store(), {outcome_of(job)}), 1);
  EXPECT_EQ(row(id).status, RowStatus::ready);
  other().close();
}

TEST_P(StoreSuite, ABeatKeepsTheLease) {
  enqueue(1);
  const auto jobs = claim(store(), 1);
  for (int n = 0; n < 4; ++n) {
    world_->pass(kWorldLeaseMs / 2);
    EXPECT_EQ(*store().beat(), 0);
  }
  EXPECT_EQ(*other().open(), 0);
  EXPECT_EQ(finish(store(), {outcome_of(jobs.at(0))}), 0);
  other().close();
}

TEST_P(StoreSuite, ABeatRescuesToo) {
  ASSERT_TRUE(other().open());
  enqueue(1);
  ASSERT_EQ(claim(other(), 1).size(), 1u);
  world_->pass(kWorldLeaseMs / 2);
  EXPECT_EQ(*store().beat(), 0);
  world_->pass(kWorldLeaseMs / 2 + 1);
  EXPECT_EQ(*store().beat(), 1);
}

TEST_P(StoreSuite, ANodeTakenForDeadJoinsAgainWithItsNextBeat) {
  ASSERT_TRUE(other().open());
  world_->pass(kWorldLeaseMs + 1);
  ASSERT_TRUE(other().beat());
  ASSERT_TRUE(store().beat());
  enqueue(1);
  ASSERT_EQ(claim(store(), 1).size(), 1u);
  world_->pass(kWorldLeaseMs / 2);
  EXPECT_EQ(*other().beat(), 0) << "the node is alive again: its job stays its own";
  other().close();
}

TEST_P(StoreSuite, SuspectsAreClaimedOneByOneAndOnlyWhenAskedFor) {
  const auto ids = enqueue(2);
  ASSERT_EQ(claim(store(), 2).size(), 2u);
  world_->pass(kWorldLeaseMs + 1);
  ASSERT_EQ(*other().open(), 2);
  const auto innocent = world_->enqueue({.payload = "innocent"});
  const auto plain = claim(other(), 5);
  ASSERT_EQ(plain.size(), 1u);
  EXPECT_EQ(plain[0].id, innocent);
  const auto suspects = claim(other(), 1, Store::Suspects::one);
  ASSERT_EQ(suspects.size(), 1u);
  EXPECT_EQ(suspects[0].id, ids[0]);
  EXPECT_EQ(suspects[0].crashes, 1);
  EXPECT_EQ(claim(other(), 5, Store::Suspects::one).size(), 1u);
  EXPECT_TRUE(claim(other(), 1, Store::Suspects::one).empty());
  other().close();
}

TEST_P(StoreSuite, SuspectsDoNotCountAsWaitingForOthers) {
  const auto id = enqueue(1).at(0);
  make_suspect(id);
  auto plain = other().claim(5, Store::Suspects::none);
  ASSERT_TRUE(plain);
  EXPECT_TRUE(plain->jobs.empty());
  EXPECT_EQ(plain->next_due_ms, -1) << "the keeper would ask again at once, for ever";
  other().close();
}

TEST_P(StoreSuite, TooManyCrashesFailTheJob) {
  const auto id = enqueue(1).at(0);
  make_suspect(id);
  ASSERT_EQ(claim(other(), 1, Store::Suspects::one).size(), 1u);
  world_->pass(kWorldLeaseMs + 1);
  EXPECT_EQ(*store().beat(), 1);
  EXPECT_EQ(row(id).status, RowStatus::failed);
  EXPECT_EQ(row(id).crashes, 2);
  EXPECT_NE(row(id).result.find("WorkerCrashed"), std::string::npos) << row(id).result;
}

TEST_P(StoreSuite, AJobThatRunsAtMostOnceFailsWithItsFirstCrash) {
  const auto id = world_->enqueue({.payload = "once", .at_most_once = true});
  const auto released = claim(store(), 1);
  ASSERT_EQ(released.size(), 1u);
  EXPECT_TRUE(released[0].at_most_once);
  ASSERT_TRUE(store().release(released)) << "not begun: that is no attempt";
  ASSERT_EQ(claim(store(), 1).size(), 1u);
  world_->pass(kWorldLeaseMs + 1);
  EXPECT_EQ(*other().open(), 1);
  EXPECT_EQ(row(id).status, RowStatus::failed);
  EXPECT_NE(row(id).result.find("WorkerCrashed"), std::string::npos) << row(id).result;
  EXPECT_TRUE(claim(other(), 1, Store::Suspects::one).empty());
  other().close();
}

TEST_P(StoreSuite, CloseLeavesNothingRunningBehind) {
  ASSERT_TRUE(other().open());
  enqueue(1);
  const auto jobs = claim(other(), 1);
  ASSERT_TRUE(other().release(jobs));
  other().close();
  world_->pass(kWorldLeaseMs / 2);
  EXPECT_EQ(*store().beat(), 0);
  EXPECT_EQ(claim(store(), 1).size(), 1u);
}

TEST_P(StoreSuite, ChangedNoticesRowsOfOtherPrograms) {
  ASSERT_TRUE(claim(store(), 1).empty());
  EXPECT_FALSE(*store().changed());
  enqueue(1);
  EXPECT_TRUE(*store().changed());
  EXPECT_EQ(claim(store(), 1).size(), 1u);
}

TEST_P(StoreSuite, ALookForSuspectsDoesNotTakeTheNewsOfOtherRows) {
  ASSERT_TRUE(claim(store(), 1).empty());
  enqueue(1);
  EXPECT_TRUE(claim(store(), 1, Store::Suspects::one).empty());
  EXPECT_TRUE(*store().changed());
  EXPECT_EQ(claim(store(), 1).size(), 1u);
}

TEST_P(StoreSuite, SaysWhenTheNextTickIsDue) {
  EXPECT_LT(*store().next_tick_ms(), 0) << "nothing is planned";
  world_->plan_tick(3'600'000);
  EXPECT_GT(*store().next_tick_ms(), 3'500'000);
  EXPECT_LE(*store().next_tick_ms(), 3'600'000);
  world_->plan_tick(-5'000);
  EXPECT_EQ(*store().next_tick_ms(), 0);
}

TEST_P(StoreSuite, OpenGivesBackAClaimWhoseAnswerWasLost) {
  const auto ids = enqueue(3);
  const auto held = claim(store(), 1);
  world_->lose_next_claim(0);
  ASSERT_FALSE(store().claim(2, Store::Suspects::none));
  ASSERT_EQ(row(ids[1]).status, RowStatus::running);
  EXPECT_EQ(*store().open(), 0);
  EXPECT_EQ(row(ids[1]).status, RowStatus::ready);
  EXPECT_EQ(row(ids[1]).crashes, 0);
  EXPECT_EQ(row(ids[2]).status, RowStatus::ready);
  EXPECT_EQ(finish(store(), {outcome_of(held.at(0))}), 0) << "what the keeper holds stays held";
}

}  // namespace corral::tasks
