#include "net/event_loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

namespace corral::net {
namespace {

class Recorder : public Source {
 public:
  explicit Recorder(std::function<void(std::uint32_t)> told) : told_(std::move(told)) {}
  ~Recorder() override {
    if (gone_ != nullptr) *gone_ = true;
  }
  void on_events(std::uint32_t events) override { told_(events); }
  bool* gone_ = nullptr;

 private:
  std::function<void(std::uint32_t)> told_;
};

std::unique_ptr<EventLoop> make_loop() {
  auto loop = EventLoop::create();
  EXPECT_TRUE(loop);
  return std::move(*loop);
}

// Turns until `done` is said in one of them.
void run(EventLoop& loop, const bool& done) {
  while (!done) loop.poll(EventLoop::kUntilEvent);
}

TEST(EventLoop, TellsASourceOfItsEvents) {
  auto loop = make_loop();
  Fd ready(eventfd(1, EFD_CLOEXEC));
  std::uint32_t seen = 0;
  Recorder source([&](std::uint32_t events) { seen = events; });
  ASSERT_TRUE(loop->add(ready.get(), EPOLLIN, source));
  loop->poll(EventLoop::kUntilEvent);
  EXPECT_EQ(seen, static_cast<std::uint32_t>(EPOLLIN));
}

TEST(EventLoop, RunsEveryPostedTaskOnce) {
  auto loop = make_loop();
  constexpr int kThreads = 4, kTasks = 2000;
  int ran = 0;  // the poller's
  bool done = false;
  std::vector<std::thread> threads;
  for (int index = 0; index < kThreads; ++index) {
    threads.emplace_back([&] {
      for (int task = 0; task < kTasks; ++task) {
        loop->post([&] { done = ++ran == kThreads * kTasks; });
      }
    });
  }
  run(*loop, done);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ran, kThreads * kTasks);
}

TEST(EventLoop, ARetiredSourceLivesUntilTheTurnIsOver) {
  auto loop = make_loop();
  Fd first(eventfd(1, EFD_CLOEXEC)), second(eventfd(1, EFD_CLOEXEC));
  bool gone = false, told_while_retired = false;
  std::unique_ptr<Recorder> victim;
  int told = 0;
  // Ready sources are told in the order they were added.
  const auto on_either = [&](std::uint32_t) {
    if (victim) {
      loop->remove(second.get());
      loop->remove(first.get());
      loop->retire(std::move(victim));
      EXPECT_FALSE(gone);
    } else {
      told_while_retired = true;
    }
    ++told;
  };
  Recorder killer(on_either);
  victim = std::make_unique<Recorder>(on_either);
  victim->gone_ = &gone;
  ASSERT_TRUE(loop->add(first.get(), EPOLLIN, killer));
  ASSERT_TRUE(loop->add(second.get(), EPOLLIN, *victim));
  loop->poll(EventLoop::kUntilEvent);
  EXPECT_EQ(told, 2);
  EXPECT_TRUE(gone);
  EXPECT_TRUE(told_while_retired);
}

TEST(EventLoop, TicksWithoutAnyEvent) {
  auto loop = make_loop();
  int ticks = 0;
  bool done = false;
  loop->set_tick(1, [&] { done = ++ticks == 3; });
  run(*loop, done);
  EXPECT_EQ(ticks, 3);
}

TEST(EventLoop, AWakeEndsTheTurnOfWhoeverWaits) {
  auto loop = make_loop();
  loop->wake();
  loop->poll(EventLoop::kUntilEvent);  // was called before it began to wait
  std::atomic<int> turns{0};
  std::thread poller([&] {
    for (; turns < 1000; ++turns) loop->poll(EventLoop::kUntilEvent);
  });
  while (turns < 1000) loop->wake();
  poller.join();
}

TEST(EventLoop, TurnsMayBeMadeByDifferentThreads) {
  auto loop = make_loop();
  constexpr int kTurns = 100;
  std::vector<std::thread::id> pollers;
  for (int turn = 0; turn < kTurns; ++turn) {
    loop->post([&] { pollers.push_back(std::this_thread::get_id()); });
    std::thread([&] { loop->poll(EventLoop::kUntilEvent); }).join();
  }
  EXPECT_EQ(pollers.size(), static_cast<std::size_t>(kTurns));
}

}  // namespace
}  // namespace corral::net
