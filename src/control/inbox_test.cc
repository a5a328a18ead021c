#include "control/inbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>

namespace corral::control {
namespace {

struct Note {
  int number;
};

class InboxTest : public testing::Test {
 protected:
  InboxTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_.data()), 0); }
  ~InboxTest() override {
    for (int end : ends_) close(end);
  }
  bool pass(int fd, int number) {
    const Note note{number};
    return pass_descriptor(ends_[1], fd, std::as_bytes(std::span(&note, 1)));
  }
  Receipt receive() {
    return receive_descriptor(ends_[0], fd_, std::as_writable_bytes(std::span(&note_, 1)));
  }

  std::array<int, 2> ends_{};
  Fd fd_;
  Note note_{};
};

TEST_F(InboxTest, ADescriptorArrivesWithItsNoteAndIsCloseOnExec) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  ASSERT_TRUE(pass(pipe_ends[0], 7));
  close(pipe_ends[0]);
  ASSERT_EQ(receive(), Receipt::received);
  EXPECT_EQ(note_.number, 7);
  EXPECT_TRUE(fcntl(fd_.get(), F_GETFD) & FD_CLOEXEC);
  ASSERT_EQ(write(pipe_ends[1], "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(read(fd_.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  close(pipe_ends[1]);
}

TEST_F(InboxTest, AnEmptyInboxIsNoWait) { EXPECT_EQ(receive(), Receipt::empty); }

TEST_F(InboxTest, AFullOneRefusesAndLosesNothing) {
  int passed = 0;
  while (pass(STDIN_FILENO, passed)) ASSERT_LT(++passed, 1'000'000);
  ASSERT_GT(passed, 64);
  for (int number = 0; number < passed; ++number) {
    ASSERT_EQ(receive(), Receipt::received);
    ASSERT_EQ(note_.number, number);
  }
  EXPECT_EQ(receive(), Receipt::empty);
}

TEST_F(InboxTest, WhatAKilledProcessWasPassedIsStillThere) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (;;) pause();
  }
  ASSERT_TRUE(pass(STDIN_FILENO, 9));
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(receive(), Receipt::received);
  EXPECT_EQ(note_.number, 9);
}

TEST_F(InboxTest, WithoutAFreeNumberItIsSaidThatADescriptorIsLost) {
  ASSERT_TRUE(pass(STDIN_FILENO, 1));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{3, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const Receipt receipt = receive();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(receipt, Receipt::lost);
  EXPECT_EQ(receive(), Receipt::empty);
}

}  // namespace
}  // namespace corral::control
