#include "control/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <string>
#include <thread>

namespace corral::control {
namespace {

constexpr Milliseconds kLong = 10'000;

std::pair<Channel, Channel> make_channels() {
  auto made = Channel::make_pair();
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return {std::move(made->first), Channel(std::move(made->second))};
}

TEST(Channel, BothEndsAreCloseOnExec) {
  auto made = Channel::make_pair();
  ASSERT_TRUE(made);
  EXPECT_TRUE(fcntl(made->first.fd(), F_GETFD) & FD_CLOEXEC);
  EXPECT_TRUE(fcntl(made->second.get(), F_GETFD) & FD_CLOEXEC);
}

TEST(Channel, MessagesKeepKindTextAndOrder) {
  auto [parent, child] = make_channels();
  const std::string binary("\0\n\xff", 3);
  EXPECT_TRUE(parent.send(Kind::config, "{}"));
  EXPECT_TRUE(parent.send(Kind::serve));
  EXPECT_TRUE(parent.send(Kind::drain, binary));
  EXPECT_TRUE(child.send(Kind::ready, "note"));
  auto first = child.receive(kLong);
  auto second = child.receive(kLong);
  auto third = child.receive(kLong);
  auto back = parent.receive(kLong);
  ASSERT_TRUE(first && second && third && back);
  EXPECT_EQ(first->kind, Kind::config);
  EXPECT_EQ(first->text, "{}");
  EXPECT_EQ(second->kind, Kind::serve);
  EXPECT_EQ(second->text, "");
  EXPECT_EQ(third->kind, Kind::drain);
  EXPECT_EQ(third->text, binary);
  EXPECT_EQ(back->kind, Kind::ready);
  EXPECT_EQ(back->text, "note");
}

TEST(Channel, NothingInTimeIsNoMessage) {
  auto [parent, child] = make_channels();
  EXPECT_FALSE(child.receive(0).has_value());
  const Milliseconds start_ms = monotonic_ms();
  EXPECT_FALSE(child.receive(30).has_value());
  EXPECT_GE(monotonic_ms() - start_ms, 30);
}

TEST(Channel, TheLargestMessageFitsAnUnreadChannel) {
  auto [parent, child] = make_channels();
  const std::string text(kMessageBytesMax, 'c');
  ASSERT_TRUE(parent.send(Kind::config, text));
  auto message = child.receive(kLong);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->text, text);
}

TEST(Channel, LongerTextIsCut) {
  auto [parent, child] = make_channels();
  ASSERT_TRUE(child.send(Kind::failed, std::string(kMessageBytesMax + 5, 'f')));
  auto message = parent.receive(kLong);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->text.size(), kMessageBytesMax);
}

TEST(Channel, ReceiveWaitsForTheSender) {
  auto [parent, child] = make_channels();
  std::thread receiver([&child = child] {
    auto message = child.receive(-1);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind, Kind::stop);
  });
  EXPECT_TRUE(parent.send(Kind::stop));
  receiver.join();
}

TEST(Channel, AGoneSideReadsAsClosed) {
  auto [parent, child] = make_channels();
  parent.close();
  for (int i = 0; i < 2; ++i) {
    auto message = child.receive(kLong);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind, Kind::closed);
  }
  EXPECT_FALSE(child.send(Kind::ready));  // and no SIGPIPE
}

// A child that fails before it has read everything: the kernel reports a reset, its last words must
// arrive all the same.
TEST(Channel, LastWordsArriveThoughTheOtherSideLeftMessagesUnread) {
  auto [parent, child] = make_channels();
  ASSERT_TRUE(parent.send(Kind::config, "never read"));
  ASSERT_TRUE(child.send(Kind::failed, "no such module"));
  child.close();
  auto message = parent.receive(kLong);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, Kind::failed);
  EXPECT_EQ(message->text, "no such module");
  message = parent.receive(kLong);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, Kind::closed);
}

TEST(Channel, AProcessThatIsKilledReadsAsClosed) {
  auto made = Channel::make_pair();
  ASSERT_TRUE(made);
  const pid_t process = fork();
  ASSERT_GE(process, 0);
  if (process == 0) {
    made->first.close();
    pause();
    _exit(0);
  }
  made->second.reset();
  kill(process, SIGKILL);
  auto message = made->first.receive(kLong);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, Kind::closed);
  waitpid(process, nullptr, 0);
}

TEST(Channel, AStuckReaderDoesNotHoldTheSenderForEver) {
  auto [parent, child] = make_channels();
  const std::string text(kMessageBytesMax, 'x');
  int sent = 0;
  while (sent < 100 && parent.send(Kind::config, text)) ++sent;
  EXPECT_GE(sent, 1);
  EXPECT_LT(sent, 100);
  ASSERT_TRUE(child.receive(kLong));
  for (int i = 1; i < sent; ++i) ASSERT_TRUE(child.receive(kLong));
  EXPECT_TRUE(parent.send(Kind::stop));
}

TEST(Channel, SignalsDoNotDisturbAWait) {
  auto [parent, child] = make_channels();
  struct sigaction action{}, before{};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, &before);  // without SA_RESTART: poll() ends with EINTR
  std::optional<Message> message;
  std::thread receiver([&, &channel = child] { message = channel.receive(kLong); });
  for (int i = 0; i < 100; ++i) pthread_kill(receiver.native_handle(), SIGUSR1);
  EXPECT_TRUE(parent.send(Kind::serve));
  receiver.join();
  sigaction(SIGUSR1, &before, nullptr);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, Kind::serve);
}

}  // namespace
}  // namespace corral::control
