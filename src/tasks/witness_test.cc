#include "tasks/witness.h"

#include <gtest/gtest.h>

namespace corral::tasks {
namespace {

using Nodes = std::vector<std::string>;

constexpr Milliseconds kLeaseMs = 15'000;

class WitnessTest : public testing::Test {
 protected:
  // So many looks at one node, one each second; how many found it dead.
  int looks(int count, std::int64_t expires_at) {
    int dead = 0;
    for (int n = 0; n < count; ++n, now_ms_ += 1'000) {
      if (witness_.sees_dead({{"node", expires_at}}, now_ms_) == Nodes{"node"}) ++dead;
    }
    return dead;
  }

  Witness witness_{kLeaseMs, Witness::kLooks};
  Milliseconds now_ms_ = 7;
};

TEST_F(WitnessTest, ANodeIsDeadAfterLooksThatAreApart) {
  EXPECT_EQ(looks(Witness::kLooks, 1), 0);
  EXPECT_EQ(looks(1, 1), 1);
}

TEST_F(WitnessTest, ANodeThatRenewsIsAlive) {
  EXPECT_EQ(looks(Witness::kLooks, 1), 0);
  EXPECT_EQ(looks(Witness::kLooks, 2), 0);
  EXPECT_EQ(witness_.sees_dead({}, now_ms_), Nodes{});
  EXPECT_EQ(looks(Witness::kLooks, 2), 0) << "it was alive in between";
}

TEST_F(WitnessTest, LooksInAHurryAndBeforeAnOutageProveNothing) {
  for (int n = 0; n < 100; ++n) EXPECT_EQ(witness_.sees_dead({{"node", 1}}, now_ms_), Nodes{});
  now_ms_ += 3'600'000;  // whoever was paused himself has looked once
  EXPECT_EQ(looks(Witness::kLooks - 1, 1), 0);
  witness_.forget();
  EXPECT_EQ(looks(Witness::kLooks, 1), 0);
}

}  // namespace
}  // namespace corral::tasks
