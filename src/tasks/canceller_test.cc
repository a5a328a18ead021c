// What becomes of cancelled jobs that this node holds, with a clock of its own: nothing here waits.
#include "tasks/canceller.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tasks/memory_store.h"

namespace corral::tasks {
namespace {

constexpr Milliseconds kPollMs = 1'000;

class CancellerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(store.open());
    claimer.opened(now_ms);
  }
  void settle_down() {
    for (int round = 0; round < 10; ++round) {
      ASSERT_TRUE(canceller.work(now_ms));
      if (claimer.work_at(now_ms) <= now_ms) {
        ASSERT_TRUE(claimer.work(now_ms));
      }
    }
  }
  Job begin() {
    Job job = ready.try_pop().value().item;
    running.insert(job.id);
    return job;
  }
  RowStatus status(const std::string& id) { return database.find(id)->status; }

  Milliseconds now_ms = 1'000;
  MemoryDatabase database{[this] { return now_ms; }};
  MemoryStore store{database, {"node"}};
  dispatch::Queue<Job> ready{100};
  Claimer claimer{store, ready, 2, TaskLimits{}};
  std::set<std::string> running;
  std::vector<std::string> interrupted;
  Canceller canceller{store, claimer,
                      [this](const std::string& id, std::int64_t) {
                        if (!running.contains(id)) return false;
                        interrupted.push_back(id);
                        return true;
                      },
                      kPollMs};
};

TEST_F(CancellerTest, WhatRunsIsInterruptedAndNothingElse) {
  const auto id = database.enqueue({.payload = "a"});
  const auto other = database.enqueue({.payload = "b"});
  settle_down();
  begin();
  begin();
  database.cancel(id);
  EXPECT_TRUE(canceller.ask());
  EXPECT_FALSE(canceller.ask());
  settle_down();
  EXPECT_EQ(interrupted, std::vector{id});
  EXPECT_EQ(status(other), RowStatus::running);
}

TEST_F(CancellerTest, WhatNoThreadHasBegunGoesBackAndIsEnded) {
  const auto first = database.enqueue({.payload = "a"});
  const auto second = database.enqueue({.payload = "b"});
  settle_down();
  ASSERT_EQ(ready.depth(), 2u);
  database.cancel(first);
  canceller.ask();
  settle_down();
  EXPECT_EQ(status(first), RowStatus::failed);
  EXPECT_EQ(begin().id, second);
  EXPECT_TRUE(interrupted.empty());
}

TEST_F(CancellerTest, ASuspectThatHasNotBegunDoesNotHoldTheNodeUp) {
  std::string suspect;
  {
    MemoryStore dead(database, {"dead", 1});
    ASSERT_TRUE(dead.open());
    suspect = database.enqueue({.payload = "a"});
    ASSERT_EQ(dead.claim(1, Store::Suspects::none)->jobs.size(), 1u);
    dead.close();
    claimer.beaten(*store.beat(), now_ms);
  }
  settle_down();
  ASSERT_EQ(ready.depth(), 1u);
  ASSERT_EQ(status(suspect), RowStatus::running);
  database.cancel(suspect);
  const auto next = database.enqueue({.payload = "b"});
  claimer.ask();
  canceller.ask();
  settle_down();
  EXPECT_EQ(status(suspect), RowStatus::failed);
  EXPECT_EQ(begin().id, next);
}

TEST_F(CancellerTest, NewsOfOtherProgramsMakeItLookSoonButNotEachTime) {
  canceller.heard();
  EXPECT_EQ(canceller.work_at(), kNever);  // nothing is held
  const auto id = database.enqueue({.payload = "a"});
  settle_down();
  begin();
  database.cancel(id);
  now_ms += kPollMs;
  settle_down();
  EXPECT_EQ(interrupted.size(), 1u);
  canceller.heard();
  EXPECT_GT(canceller.work_at(), now_ms);
  EXPECT_LT(canceller.work_at(), now_ms + kPollMs);
  now_ms = canceller.work_at();
  settle_down();
  EXPECT_EQ(interrupted.size(), 2u);
}

TEST_F(CancellerTest, PollsWhileJobsAreHeldOrACancelledOneMayComeBack) {
  EXPECT_EQ(canceller.work_at(), kNever);
  const auto id = database.enqueue({.payload = "a"});
  settle_down();
  const Job job = begin();
  ASSERT_TRUE(canceller.work(now_ms));
  EXPECT_LE(canceller.work_at(), now_ms + kPollMs);
  database.cancel(id);
  now_ms += kPollMs;
  settle_down();
  EXPECT_EQ(interrupted, std::vector{id});
  // It fails by itself and is to be tried again.
  const Outcome outcome{job.id, job.lease, JobStatus::retry, R"({"retry_in": 0})"};
  ASSERT_TRUE(claimer.settle(outcome, now_ms));
  ASSERT_TRUE(store.finish({&outcome, 1}));
  now_ms += kPollMs;
  settle_down();
  EXPECT_EQ(status(id), RowStatus::failed);
  now_ms += kPollMs;
  EXPECT_EQ(canceller.work_at(), kNever);
}

}  // namespace
}  // namespace corral::tasks
