#include "tasks/memory_store.h"

#include <gtest/gtest.h>

#include <array>

#include "tasks/store_world.h"

namespace corral::tasks {
namespace {

class MemoryWorld : public StoreWorld {
 public:
  Store& node(int number) override { return nodes_.at(static_cast<std::size_t>(number)); }
  std::string enqueue(NewJob job) override { return database_.enqueue(std::move(job)); }
  void pause(const std::string& queue, Milliseconds span_ms) override {
    database_.pause(queue, span_ms);
  }
  void resume(const std::string& queue) override { database_.resume(queue); }
  void cancel(const std::string& id) override { database_.cancel(id); }
  Row row(const std::string& id) override { return database_.find(id).value(); }
  bool exists(const std::string& id) override { return database_.find(id).has_value(); }
  void plan_tick(Milliseconds delay_ms) override { database_.plan_tick(delay_ms); }
  void pass(Milliseconds span_ms) override { now_ms_ += span_ms; }
  void lose_next_claim(int number) override {
    nodes_.at(static_cast<std::size_t>(number)).lose_next_claim_for_test();
  }

 private:
  Milliseconds now_ms_ = 1;
  MemoryDatabase database_{[this] { return now_ms_; }};
  std::array<MemoryStore, 2> nodes_{
      MemoryStore{database_, {"node-0", kWorldLeaseMs, {{kWorldHeavyQueue, 3}}}},
      MemoryStore{database_, {"node-1", kWorldLeaseMs, {{kWorldHeavyQueue, 3}}}}};
};

TEST(MemoryDatabase, CountsByStatusAndForgetsNodesThatLeave) {
  MemoryDatabase database([] { return Milliseconds{1}; });
  MemoryStore store(database, {"node", kWorldLeaseMs});
  ASSERT_TRUE(store.open());
  EXPECT_TRUE(database.has_node("node"));
  database.enqueue({.payload = "a"});
  database.enqueue({.payload = "b"});
  ASSERT_TRUE(store.claim(1, Store::Suspects::none));
  EXPECT_EQ(database.count(RowStatus::ready), 1);
  EXPECT_EQ(database.count(RowStatus::running), 1);
  EXPECT_FALSE(database.find("no such job"));
  store.close();
  EXPECT_FALSE(database.has_node("node"));
}

}  // namespace

std::unique_ptr<StoreWorld> make_memory_world() { return std::make_unique<MemoryWorld>(); }

}  // namespace corral::tasks
