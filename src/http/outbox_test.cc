#include "http/outbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/temporary_file.h"
#include "net/socket.h"

namespace corral::http {
namespace {

constexpr std::size_t kAll = SIZE_MAX;

std::string pattern(std::size_t size, unsigned seed = 0) {
  std::string bytes(size, '\0');
  for (std::size_t index = 0; index < size; ++index)
    bytes[index] = static_cast<char>((index * 7 + index / 251 + seed) % 251);
  return bytes;
}

Fd file_of(const std::string& bytes) {
  Fd file = open_unlinked_file(::testing::TempDir());
  EXPECT_TRUE(write_all(file.get(), bytes));
  return file;
}

class OutboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    server_ = Fd(ends[0]);
    client_ = Fd(ends[1]);
    net::set_nonblocking(server_.get());
    net::set_nonblocking(client_.get());
  }

  Outbox::Room room() const { return {bytes_max_, budget_, blocks_, files_budget_, folder_}; }

  // As a connection sends: what the socket does not take is kept. False when it may not be.
  bool send(const std::string& bytes) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    const ssize_t count = box_.send_now(server_.get(), {&part, 1});
    EXPECT_GE(count, 0);
    const auto taken = static_cast<std::size_t>(count);
    if (taken == bytes.size()) return true;
    part = {const_cast<char*>(bytes.data()) + taken, bytes.size() - taken};
    return box_.try_keep({&part, 1}, part.iov_len, room());
  }

  std::string receive(std::size_t most = kAll) {
    std::string received;
    char buffer[65536];
    while (received.size() < most) {
      const ssize_t count =
          ::read(client_.get(), buffer, std::min(sizeof buffer, most - received.size()));
      if (count <= 0) break;
      received.append(buffer, static_cast<std::size_t>(count));
    }
    return received;
  }

  // Reads and flushes in turns until everything is through.
  std::string receive_all() {
    std::string received = receive();
    for (;;) {
      const Outbox::Flush flushed = box_.flush(server_.get(), kAll);
      received += receive();
      if (flushed == Outbox::Flush::done) return received;
      EXPECT_EQ(flushed, Outbox::Flush::blocked);
      if (flushed != Outbox::Flush::blocked) return received;
    }
  }

  std::size_t bytes_max_ = 8 * 1024 * 1024;
  std::shared_ptr<Budget> budget_ = std::make_shared<Budget>(64 * 1024 * 1024);
  std::shared_ptr<Budget> files_budget_ = std::make_shared<Budget>(64 * 1024 * 1024);
  std::shared_ptr<BlockCache> blocks_ = std::make_shared<BlockCache>(64 * 1024 * 1024);
  std::string folder_ = ::testing::TempDir();
  Fd server_, client_;
  Outbox box_;
};

TEST_F(OutboxTest, WhatTheSocketTakesIsNotKept) {
  EXPECT_TRUE(send("hello"));
  EXPECT_TRUE(box_.empty());
  EXPECT_FALSE(box_.is_blocked());
  EXPECT_EQ(receive(), "hello");
  EXPECT_EQ(box_.taken_bytes(), 5u);
}

TEST_F(OutboxTest, WhatItDoesNotTakeIsKeptAndArrivesInOrder) {
  const std::string first = pattern(3'000'000), second = pattern(100'000, 1), third = "end";
  EXPECT_TRUE(send(first));
  EXPECT_TRUE(box_.is_blocked());
  EXPECT_TRUE(send(second));
  EXPECT_TRUE(send(third));
  EXPECT_EQ(budget_->bytes() > 0, true);
  EXPECT_EQ(receive_all(), first + second + third);
  EXPECT_TRUE(box_.empty());
  EXPECT_EQ(budget_->bytes(), 0u);
  EXPECT_EQ(box_.taken_bytes(), first.size() + second.size() + third.size());
}

TEST_F(OutboxTest, PartsFollowWhatWasKeptInOneWrite) {
  const std::string first = pattern(1'000'000);
  EXPECT_TRUE(send(first));
  std::string received = receive();
  while (received.size() < first.size()) {
    EXPECT_TRUE(send(""));
    received += receive();
  }
  EXPECT_TRUE(send("behind"));
  EXPECT_TRUE(box_.empty());
  EXPECT_EQ(received + receive(), first + "behind");
}

TEST_F(OutboxTest, KeepsNoMoreThanItMay) {
  bytes_max_ = 1'000'000;
  EXPECT_FALSE(send(pattern(5'000'000)));
  EXPECT_TRUE(box_.empty()) << "and then nothing of it";
  const std::size_t through = receive().size();
  EXPECT_GT(through, 0u);
}

TEST_F(OutboxTest, GoesToAFileWhenTheBudgetIsUsedUp) {
  budget_ = std::make_shared<Budget>(1'000'000);
  const std::string first = pattern(900'000), second = pattern(700'000, 1), third = "end";
  EXPECT_TRUE(send(first));
  EXPECT_TRUE(send(second));
  EXPECT_TRUE(send(third));
  EXPECT_LE(budget_->bytes(), 1'000'000u);
  EXPECT_EQ(receive_all(), first + second + third);
  EXPECT_EQ(budget_->bytes(), 0u);
  EXPECT_TRUE(send(first)) << "and into memory again";
  EXPECT_GT(budget_->bytes(), 0u);
  EXPECT_EQ(receive_all(), first);
}

TEST_F(OutboxTest, FilesHaveABudgetToo) {
  budget_ = std::make_shared<Budget>(0);
  files_budget_ = std::make_shared<Budget>(1'000'000);
  const std::string part = pattern(700'000), end = "end";
  EXPECT_TRUE(send(part));
  EXPECT_GT(files_budget_->bytes(), 0u);
  EXPECT_FALSE(send(part));
  EXPECT_TRUE(send(end));
  EXPECT_EQ(receive_all(), part + end);
  EXPECT_EQ(files_budget_->bytes(), 0u);
  folder_ = "/nonexistent";
  EXPECT_FALSE(send(part));
  EXPECT_EQ(files_budget_->bytes(), 0u) << "nothing is taken for a file that cannot be";
}

TEST_F(OutboxTest, AFileOfAResponseWithoutEndDoesNotGrowWithoutEnd) {
  budget_ = std::make_shared<Budget>(0);
  bytes_max_ = 1'000'000;
  const std::string part = pattern(200'000);
  std::size_t sent = 0, received = 0;
  bool was_refused = false;
  for (int turn = 0; turn < 100; ++turn) {
    if (send(part)) {
      sent += part.size();
    } else {
      was_refused = true;
      received += receive_all().size();
      ASSERT_TRUE(box_.empty());
    }
    received += receive(150'000).size();
  }
  received += receive_all().size();
  EXPECT_TRUE(was_refused);
  EXPECT_GE(received, sent);
}

TEST_F(OutboxTest, ASmallRestIsKeptWithoutBudgetOrFolder) {
  budget_ = std::make_shared<Budget>(0);
  folder_ = "/there/is/no/such/folder";
  while (!box_.is_blocked()) EXPECT_TRUE(send(std::string(1000, 'x')));
  EXPECT_TRUE(send("an answer"));
  EXPECT_FALSE(send(pattern(100'000)));
  const std::string received = receive_all();
  EXPECT_EQ(received.substr(received.size() - 9), "an answer");
}

TEST_F(OutboxTest, SendsPartOfAFileBehindItsHead) {
  const std::string content = pattern(3'000'000);
  EXPECT_TRUE(send("head"));
  box_.keep_file({file_of(content), 1'000'001, 1'500'000});
  EXPECT_EQ(receive_all(), "head" + content.substr(1'000'001, 1'500'000));
}

TEST_F(OutboxTest, HeadThatTheSocketDoesNotTakeStaysBeforeTheFile) {
  const std::string before = pattern(1'000'000), content = pattern(500'000, 1);
  EXPECT_TRUE(send(before));
  EXPECT_TRUE(send("head"));
  box_.keep_file({file_of(content), 0, content.size()});
  EXPECT_EQ(receive_all(), before + "head" + content);
}

TEST_F(OutboxTest, NoticesAFileThatIsShorterThanItWas) {
  Fd file = file_of(pattern(1'000'000));
  const int descriptor = file.get();
  box_.keep_file({std::move(file), 0, 1'000'000});
  EXPECT_EQ(box_.flush(server_.get(), 1000), Outbox::Flush::more);
  ASSERT_EQ(::ftruncate(descriptor, 1500), 0);
  EXPECT_EQ(box_.flush(server_.get(), kAll), Outbox::Flush::file_cut);
  EXPECT_EQ(receive().size(), 1500u);
  EXPECT_TRUE(box_.empty());
}

TEST_F(OutboxTest, FlushesNoMoreThanAsked) {
  box_.keep_file({file_of(pattern(10'000)), 0, 10'000});
  EXPECT_EQ(box_.flush(server_.get(), 4000), Outbox::Flush::more);
  EXPECT_FALSE(box_.is_blocked());
  EXPECT_EQ(receive().size(), 4000u);
  EXPECT_EQ(box_.flush(server_.get(), 6000), Outbox::Flush::done);
  EXPECT_EQ(receive().size(), 6000u);
}

TEST_F(OutboxTest, TellsThatTheClientIsGone) {
  EXPECT_TRUE(send(pattern(3'000'000)));
  client_.reset();
  EXPECT_EQ(box_.flush(server_.get(), kAll), Outbox::Flush::failed);
  iovec part{const_cast<char*>("x"), 1};
  EXPECT_EQ(box_.send_now(server_.get(), {&part, 1}), -1);
}

}  // namespace
}  // namespace corral::http
