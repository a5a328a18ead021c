#include "control/scoreboard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cstring>
#include <string>

#include "control/inbox.h"

namespace corral::control {
namespace {

Scoreboard make(std::size_t slots) {
  auto made = Scoreboard::create(slots);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return std::move(*made);
}

// As exec does it for a child, but under numbers that are free in this process.
Result<Scoreboard> attach_copy(const Scoreboard& board) {
  return Scoreboard::attach(fcntl(board.fds().front(), F_DUPFD_CLOEXEC, 0));
}

std::span<const std::byte> bytes_of(const int& number) {
  return std::as_bytes(std::span(&number, 1));
}

TEST(Scoreboard, BeginsWithFreeSlots) {
  const Scoreboard board = make(3);
  ASSERT_EQ(board.slots(), 3u);
  for (std::size_t index = 0; index < 3; ++index) {
    EXPECT_EQ(board.slot(index).state.load(), SlotState::free);
    EXPECT_EQ(board.slot(index).incarnation.load(), 0u);
    EXPECT_EQ(board.slot(index).inbox_read_fd, -1);
  }
}

TEST(Scoreboard, OneProcessReadsWhatAnotherWrites) {
  const Scoreboard board = make(2);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto attached = attach_copy(board);
    if (!attached) _exit(1);
    attached->slot(1).pid.store(getpid());
    attached->slot(1).connections.store(7);
    attached->slot(1).state.store(SlotState::serving);
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(board.slot(1).pid.load(), child);
  EXPECT_EQ(board.slot(1).connections.load(), 7u);
  EXPECT_EQ(board.slot(1).state.load(), SlotState::serving);
  EXPECT_EQ(board.slot(0).state.load(), SlotState::free);
}

TEST(Scoreboard, ClearingLeavesOnlyWhatBelongsToThePlace) {
  Scoreboard board = make(1);
  ASSERT_TRUE(board.add_inbox(0));
  board.begin(0);
  Slot& slot = board.slot(0);
  slot.state.store(SlotState::serving);
  slot.pid.store(1);
  slot.beat_ms.store(1);
  for (auto* field :
       {&slot.connections, &slot.is_occupied, &slot.is_free, &slot.queued, &slot.threads_idle})
    field->store(1);
  for (auto* field : {&slot.accepted, &slot.requests, &slot.passed, &slot.adopted}) field->store(1);
  ASSERT_TRUE(pass_descriptor(slot.inbox_write_fd, STDIN_FILENO, bytes_of(42)));
  board.clear(0);
  EXPECT_EQ(slot.state.load(), SlotState::free);
  EXPECT_EQ(slot.pid.load(), 0);
  EXPECT_EQ(slot.beat_ms.load(), 0);
  for (auto* field :
       {&slot.connections, &slot.is_occupied, &slot.is_free, &slot.queued, &slot.threads_idle})
    EXPECT_EQ(field->load(), 0u);
  for (auto* field : {&slot.accepted, &slot.requests, &slot.passed, &slot.adopted})
    EXPECT_EQ(field->load(), 0u);
  EXPECT_EQ(slot.incarnation.load(), 1u);
  int number = 0;
  Fd fd;
  EXPECT_EQ(
      receive_descriptor(slot.inbox_read_fd, fd, std::as_writable_bytes(std::span(&number, 1))),
      Receipt::received);
  EXPECT_EQ(number, 42);
}

TEST(Scoreboard, WhatIsInheritedIsClosedByTheNextExec) {
  Scoreboard board = make(1);
  ASSERT_TRUE(board.add_inbox(0));
  const std::vector<int> fds = board.fds();
  ASSERT_EQ(fds.size(), 3u);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (int fd : fds) fcntl(fd, F_SETFD, 0);  // as the supervisor does it between fork and exec
    auto attached = Scoreboard::attach(fds.front());
    if (!attached || attached->fds() != fds) _exit(1);
    for (int fd : fds) {
      if (fcntl(fd, F_GETFD) != FD_CLOEXEC) _exit(2);
    }
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Scoreboard, AnotherLayoutIsRefused) {
  const Scoreboard board = make(1);
  const int fd = board.fds().front();
  const std::uint32_t version = kScoreboardVersion + 1;
  ASSERT_EQ(pwrite(fd, &version, sizeof version, 8), static_cast<ssize_t>(sizeof version));
  const auto attached = attach_copy(board);
  ASSERT_FALSE(attached);
  EXPECT_NE(attached.error().message.find("another version"), std::string::npos);
}

TEST(Scoreboard, WhatIsNoScoreboardIsRefused) {
  EXPECT_FALSE(Scoreboard::attach(-1));
  EXPECT_FALSE(Scoreboard::attach(memfd_create("empty", MFD_CLOEXEC)));
}

}  // namespace
}  // namespace corral::control
