#include "http/siblings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <numeric>

namespace corral::http {
namespace {

using control::Receipt;
using control::SlotState;

constexpr Share free_with(std::uint32_t connections) { return {true, false, connections}; }
constexpr Share occupied_with(std::uint32_t connections) { return {true, true, connections}; }
constexpr Share deaf_with(std::uint32_t connections) { return {false, false, connections}; }

TEST(Shares, AConnectionStaysUnlessItIsADifference) {
  EXPECT_EQ(choose_for_new(std::vector{free_with(0), free_with(0)}, 1), 1u);
  EXPECT_EQ(choose_for_new(std::vector{free_with(0), free_with(1)}, 1), 0u);
  EXPECT_EQ(choose_for_new(std::vector{free_with(15), free_with(16)}, 1), 1u);
  EXPECT_EQ(choose_for_new(std::vector{free_with(13), free_with(16)}, 1), 0u);
  EXPECT_EQ(choose_for_new(std::vector{free_with(9), free_with(5), free_with(7)}, 0), 1u);
}

TEST(Shares, WhoIsNotOccupiedGoesFirst) {
  EXPECT_EQ(choose_for_new(std::vector{free_with(50), occupied_with(0)}, 0), 0u);
  EXPECT_EQ(choose_for_new(std::vector{free_with(50), occupied_with(0)}, 1), 0u);
  EXPECT_EQ(choose_for_new(std::vector{occupied_with(5), occupied_with(0)}, 0), 1u);
}

TEST(Shares, WhoDoesNotTakeIsNotAsked) {
  EXPECT_EQ(choose_for_new(std::vector{free_with(50), deaf_with(0)}, 0), 0u);
  EXPECT_EQ(choose_for_new(std::vector{occupied_with(50), deaf_with(0)}, 0), 0u);
  EXPECT_EQ(surplus(std::vector{free_with(50), deaf_with(0)}, 0), 0u);
}

TEST(Shares, TheSurplusIsWhatIsAboveTheMean) {
  EXPECT_EQ(surplus(std::vector{free_with(48), free_with(16)}, 0), 16u);
  EXPECT_EQ(surplus(std::vector{free_with(48), free_with(16)}, 1), 0u);
  EXPECT_EQ(surplus(std::vector{free_with(64), free_with(0), free_with(0), free_with(0)}, 0), 48u);
  EXPECT_EQ(surplus(std::vector{free_with(33), free_with(31)}, 0), 0u);
  EXPECT_EQ(surplus(std::vector{free_with(1), free_with(0)}, 0), 0u);
}

// However connections come in, and whoever accepts them, the processes end up with nearly the same.
TEST(Shares, ConnectionsAreSpreadWhoeverAcceptsThem) {
  for (std::size_t count : {2u, 3u, 4u, 8u}) {
    std::vector<Share> shares(count, free_with(0));
    for (int arrived = 0; arrived < 64; ++arrived) ++shares[choose_for_new(shares, 0)].connections;
    for (const Share& share : shares) {
      EXPECT_GE(share.connections, 64 / count * 8 / 10) << count << " processes";
    }
  }
}

class SiblingsTest : public testing::Test {
 protected:
  SiblingsTest() : board_(std::move(*control::Scoreboard::create(3))) {
    for (std::size_t slot : {1u, 2u}) EXPECT_TRUE(board_.add_inbox(slot));
    here_.emplace(board_, 1, 100);
    there_.emplace(board_, 2, 100);
    serve(1);
    serve(2);
  }
  void serve(std::size_t slot) {
    board_.slot(slot).beat_ms.store(monotonic_ms());
    board_.slot(slot).state.store(SlotState::serving);
  }
  // From `here_` to the only sibling.
  void pass(std::uint32_t requests) {
    const auto sibling = here_->choose_for_new();
    ASSERT_TRUE(sibling);
    ASSERT_TRUE(here_->pass(*sibling, STDIN_FILENO, {0, requests}));
  }

  control::Scoreboard board_;
  std::optional<Siblings> here_;
  std::optional<Siblings> there_;
  Siblings::Received received_;
};

TEST_F(SiblingsTest, WhoHasNoInboxIsAlone) {
  EXPECT_TRUE(Siblings(board_, 0, 100).is_alone());
  EXPECT_FALSE(here_->is_alone());
}

TEST_F(SiblingsTest, WhatIsOnItsWayCounts) {
  here_->own().connections.store(4);
  pass(0);
  pass(1);
  EXPECT_EQ(there_->own().inbound.load(), 2);
  pass(2);
  there_->own().connections.store(1);
  EXPECT_FALSE(here_->choose_for_new()) << "4 here; 1 and 3 on their way there";
  for (std::uint32_t requests : {0u, 1u, 2u}) {
    ASSERT_EQ(there_->receive(received_), Receipt::received);
    EXPECT_EQ(received_.note.requests, requests);
  }
  EXPECT_EQ(there_->receive(received_), Receipt::empty);
  EXPECT_EQ(there_->own().inbound.load(), 0);
  EXPECT_EQ(here_->own().passed.load(), 3u);
}

TEST_F(SiblingsTest, WhoIsFullIsPassedNothing) {
  here_->own().connections.store(100);
  there_->own().connections.store(99);
  there_->own().inbound.store(1);
  EXPECT_FALSE(here_->choose_for_new());
}

TEST_F(SiblingsTest, WhoIsOccupiedIsNoHelp) {
  EXPECT_TRUE(here_->choose_unoccupied());
  there_->own().is_occupied.store(1);
  EXPECT_FALSE(here_->choose_unoccupied());
}

TEST_F(SiblingsTest, AFreeThreadIsClaimedOnce) {
  EXPECT_FALSE(here_->claim_free());
  there_->own().is_free.store(1);
  EXPECT_TRUE(here_->claim_free());
  EXPECT_FALSE(here_->claim_free());
}

TEST_F(SiblingsTest, FromWhoIsLateEverythingIsTakenBack) {
  here_->own().connections.store(1);
  pass(5);
  EXPECT_EQ(here_->take_back(received_), Receipt::empty) << "it may still look";
  EXPECT_FALSE(here_->is_one_silent());
  there_->own().beat_ms.store(monotonic_ms() - control::kBeatMaxMs - 1);
  there_->own().is_free.store(1);
  EXPECT_TRUE(here_->is_one_silent());
  EXPECT_FALSE(here_->choose_for_new());
  EXPECT_FALSE(here_->claim_free());
  EXPECT_EQ(here_->take_back(received_), Receipt::received);
  EXPECT_EQ(received_.note.requests, 5u);
  EXPECT_EQ(here_->take_back(received_), Receipt::empty);
  EXPECT_EQ(there_->own().inbound.load(), 0);
}

TEST_F(SiblingsTest, FromWhoDrainsOrIsGoneToo) {
  for (SlotState state : {SlotState::draining, SlotState::free, SlotState::booting}) {
    serve(2);
    here_->own().connections.store(1);
    pass(0);
    there_->own().state.store(state);
    EXPECT_FALSE(here_->choose_for_new());
    EXPECT_FALSE(here_->is_one_silent()) << "the kernel does not ask it";
    EXPECT_EQ(here_->take_back(received_), Receipt::received);
  }
}

}  // namespace
}  // namespace corral::http
