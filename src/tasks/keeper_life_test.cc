// A keeper's life: starting, losing the database and finding it again, draining.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tasks/keeper.h"
#include "tasks/keeper_fixture.h"

namespace corral::tasks {
namespace {

JobStatus succeed(const Job&) { return JobStatus::successful; }

bool is_quick(const Job& job) { return job.payload == "quick"; }

TEST(KeeperDrain, AJobThatRunsAtMostOnceIsNotGivenBackOnceItHasBegun) {
  MemoryDatabase database;
  Event begun, go_on;
  Node node(database, Node::plain(1), [&](const Job& job) {
    if (is_quick(job)) return JobStatus::successful;
    begun.set();
    EXPECT_TRUE(go_on.wait());
    return JobStatus::successful;
  });
  const std::string running = database.enqueue({.payload = "x", .at_most_once = true});
  node.start();
  ASSERT_TRUE(begun.wait());
  EXPECT_EQ(node.keeper.drain(monotonic_ms()), 1);
  EXPECT_EQ(database.find(running)->status, RowStatus::failed);
  EXPECT_NE(database.find(running)->result.find("at most once"), std::string::npos);
  go_on.set();
  node.stop();
  EXPECT_EQ(database.find(running)->status, RowStatus::failed);
}

TEST(KeeperStart, ReportsAStoreThatDoesNotOpen) {
  MemoryDatabase database;
  Node node(database, Node::plain(1), succeed);
  node.store.fail(Call::open);
  auto started = node.keeper.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "injected failure");
  node.start_threads();  // they find a closed queue
  EXPECT_EQ(node.stop(), 0);
}

TEST(KeeperStart, ReportsAThreadThatCannotBePrepared) {
  MemoryDatabase database;
  auto options = Node::plain(1);
  options.around_thread = [](const auto&) {};  // no interpreter could be made
  Node node(database, options, succeed);
  EXPECT_FALSE(node.keeper.start());
}

TEST(KeeperStart, RunsItsWholeLifeInsideTheWrapper) {
  MemoryDatabase database;
  auto options = Node::plain(1);
  bool is_inside = false;
  options.around_thread = [&](const auto& body) {
    is_inside = true;
    body();
    is_inside = false;
  };
  Node node(database, options, succeed);
  node.start();
  node.stop();
  EXPECT_FALSE(is_inside);
  EXPECT_FALSE(database.has_node("node")) << "close() removed the node inside the wrapper";
}

// Every kind of call fails in turn in the middle of the work, for as long as it takes the keeper to
// notice.
TEST(KeeperOutage, NothingIsLostAndNothingRunsTwice) {
  constexpr int kJobs = 3'000;
  MemoryDatabase database;
  std::vector<std::atomic<int>> runs(kJobs);
  Counter done;
  auto options = Node::plain(4);
  options.limits.node_lease_ms = 30;
  Node node(database, options, [&](const Job& job) {
    runs[static_cast<std::size_t>(std::stoi(job.payload))].fetch_add(1);
    done.add();
    return JobStatus::successful;
  });
  node.start();
  int outages = 0;
  int next = 0;
  const auto enqueue_until = [&](int end) {
    for (; next < end; ++next) database.enqueue({.payload = std::to_string(next)});
    node.keeper.wake();
  };
  for (Call call : {Call::claim, Call::finish, Call::beat, Call::open}) {
    enqueue_until(next + kJobs / 6);
    const int failures = node.store.failures();
    call == Call::open ? node.store.fail_all() : node.store.fail(call);
    ASSERT_TRUE(node.store.wait_until([&] { return node.store.failures() > failures + 1; }));
    enqueue_until(next + kJobs / 24);
    node.store.heal();
    ++outages;
    ASSERT_TRUE(
        node.store.wait_until([&] { return database.count(RowStatus::successful) == next; }));
  }
  enqueue_until(kJobs);
  EXPECT_TRUE(done.wait_for(kJobs));
  EXPECT_EQ(node.stop(), 0);
  for (int n = 0; n < kJobs; ++n) EXPECT_EQ(runs[static_cast<std::size_t>(n)].load(), 1) << n;
  EXPECT_EQ(database.count(RowStatus::successful), kJobs);
  EXPECT_EQ(node.log.count("CORRAL-501"), outages) << "an outage is one line\n" << node.log.text();
  EXPECT_EQ(node.log.count("is back"), outages);
  EXPECT_EQ(node.log.count("lost_ms"), outages);
}

TEST(KeeperOutage, OutcomesWaitForTheDatabase) {
  MemoryDatabase database;
  Event begun, go_on;
  Counter ended;
  Node node(database, Node::plain(1), [&](const Job&) {
    begun.set();
    const bool went_on = go_on.wait();
    ended.add();
    return went_on ? JobStatus::successful : JobStatus::failed;
  });
  const std::string id = database.enqueue({.payload = "x"});
  node.start();
  ASSERT_TRUE(begun.wait());
  node.store.fail_all();
  go_on.set();
  ASSERT_TRUE(ended.wait_for(1));
  ASSERT_TRUE(node.store.wait_until([&] { return node.store.failures() >= 3; }));
  EXPECT_EQ(database.find(id)->status, RowStatus::running);
  node.store.heal();
  EXPECT_TRUE(
      node.store.wait_until([&] { return database.find(id)->status == RowStatus::successful; }));
  node.stop();
}

TEST(KeeperOutage, AClaimWhoseAnswerWasLostIsMadeAgain) {
  MemoryDatabase database;
  Counter done;
  Node node(database, Node::plain(2),
            [&](const Job&) { return done.add(), JobStatus::successful; });
  for (int n = 0; n < 5; ++n) database.enqueue({.payload = "x"});
  node.memory.lose_next_claim_for_test();
  node.start();
  EXPECT_TRUE(done.wait_for(5));
  node.stop();
  EXPECT_EQ(done.count(), 5);
  EXPECT_EQ(database.count(RowStatus::successful), 5);
}

TEST(KeeperDrain, FinishesWhatRunsAndGivesBackTheRest) {
  MemoryDatabase database;
  Event begun, go_on;
  Node node(database, Node::plain(1, 4), [&](const Job& job) {
    if (is_quick(job)) return JobStatus::successful;
    begun.set();
    return go_on.wait() ? JobStatus::successful : JobStatus::failed;
  });
  std::vector<std::string> ids;
  node.start();
  node.earn_prefetch(database, 5);
  for (int n = 0; n < 8; ++n) ids.push_back(database.enqueue({.payload = "x"}));
  node.keeper.wake();
  ASSERT_TRUE(begun.wait());
  ASSERT_TRUE(node.store.wait_until([&] { return database.count(RowStatus::running) == 5; }));
  std::thread drain([&] { EXPECT_EQ(node.stop(), 0); });
  ASSERT_TRUE(node.store.wait_for_calls(Call::release, 1));
  go_on.set();
  drain.join();
  EXPECT_EQ(database.find(ids[0])->status, RowStatus::successful);
  for (std::size_t n = 1; n < ids.size(); ++n) {
    EXPECT_EQ(database.find(ids[n])->status, RowStatus::ready) << n;
    EXPECT_EQ(database.find(ids[n])->attempts, 0) << n;
  }
  EXPECT_FALSE(database.has_node("node"));
  EXPECT_EQ(node.log.text(), "");
}

TEST(KeeperDrain, GivesBackJobsThatRunBeyondTheDeadline) {
  MemoryDatabase database;
  Counter begun;
  Event go_on;
  Node node(database, Node::plain(2, 4), [&](const Job& job) {
    if (is_quick(job)) return JobStatus::successful;
    begun.add();
    return go_on.wait() ? JobStatus::successful : JobStatus::failed;
  });
  node.start();
  node.earn_prefetch(database, 6);
  for (int n = 0; n < 4; ++n) database.enqueue({.payload = "x"});
  node.keeper.wake();
  ASSERT_TRUE(begun.wait_for(2));
  ASSERT_TRUE(node.store.wait_until([&] { return database.count(RowStatus::running) == 4; }));
  EXPECT_EQ(node.keeper.drain(monotonic_ms() + 50), 2);
  EXPECT_EQ(database.count(RowStatus::ready), 4);
  EXPECT_FALSE(database.has_node("node"));
  EXPECT_EQ(node.log.count("CORRAL-504"), 1) << node.log.text();
  go_on.set();  // their outcomes come after the end, and change nothing
  EXPECT_EQ(node.stop(), 2) << "draining twice is harmless and says the same";
  EXPECT_EQ(database.count(RowStatus::ready), 4);
}

TEST(KeeperDrain, ASecondCallBringsTheDeadlineForward) {
  MemoryDatabase database;
  Event begun, go_on;
  Node node(database, Node::plain(1), [&](const Job& job) {
    if (is_quick(job)) return JobStatus::successful;
    begun.set();
    return go_on.wait() ? JobStatus::successful : JobStatus::failed;
  });
  node.start();
  node.earn_prefetch(database, 9);
  database.enqueue({.payload = "x"});
  database.enqueue({.payload = "y"});
  node.keeper.wake();
  ASSERT_TRUE(begun.wait());
  ASSERT_TRUE(node.store.wait_until([&] { return database.count(RowStatus::running) == 2; }));
  std::thread patient([&] { EXPECT_EQ(node.keeper.drain(monotonic_ms() + kForEver), 1); });
  ASSERT_TRUE(node.store.wait_for_calls(Call::release, 1));
  EXPECT_EQ(node.keeper.drain(0), 1);
  patient.join();
  go_on.set();
}

TEST(KeeperDrain, GivesUpOnALostDatabaseAtTheDeadline) {
  MemoryDatabase database;
  Event begun, go_on;
  Node node(database, Node::plain(1), [&](const Job&) {
    begun.set();
    return go_on.wait() ? JobStatus::successful : JobStatus::failed;
  });
  database.enqueue({.payload = "x"});
  node.start();
  ASSERT_TRUE(begun.wait());
  node.store.fail_all();
  go_on.set();
  ASSERT_TRUE(node.store.wait_until([&] { return node.store.failures() > 0; }));
  EXPECT_EQ(node.stop(150), 0);
  EXPECT_EQ(database.count(RowStatus::running), 1) << "rescued when the node's lease ends";
  EXPECT_EQ(node.log.count("CORRAL-505"), 1) << node.log.text();
}

TEST(KeeperDrain, WaitsForTheDatabaseToComeBackBeforeTheDeadline) {
  MemoryDatabase database;
  Event begun, go_on;
  Node node(database, Node::plain(1, 2), [&](const Job& job) {
    if (is_quick(job)) return JobStatus::successful;
    begun.set();
    return go_on.wait() ? JobStatus::successful : JobStatus::failed;
  });
  node.start();
  node.earn_prefetch(database, 3);
  for (int n = 0; n < 3; ++n) database.enqueue({.payload = "x"});
  node.keeper.wake();
  ASSERT_TRUE(begun.wait());
  ASSERT_TRUE(node.store.wait_until([&] { return database.count(RowStatus::running) == 3; }));
  node.store.fail_all();
  std::thread drain([&] { EXPECT_EQ(node.stop(), 0); });
  ASSERT_TRUE(node.store.wait_for_calls(Call::release, 1));  // the drain has begun
  go_on.set();
  ASSERT_TRUE(node.store.wait_until([&] { return node.store.failures() >= 2; }));
  node.store.heal();
  drain.join();
  EXPECT_EQ(database.count(RowStatus::successful), 1 + 3);
  EXPECT_EQ(database.count(RowStatus::ready), 2);
}

TEST(KeeperDrain, StopsAKeeperThatNeverStarted) {
  MemoryDatabase database;
  Node node(database, Node::plain(1), succeed);
  EXPECT_EQ(node.keeper.drain(0), 0);
  EXPECT_FALSE(node.keeper.ready().pop());
}

}  // namespace
}  // namespace corral::tasks
