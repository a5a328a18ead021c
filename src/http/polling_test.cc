#include "http/polling.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <latch>
#include <list>
#include <vector>

#include "base/thread.h"

namespace corral::http {
namespace {

// Turns each unit of an eventfd into a request without a connection.
class Client final : public net::Source {
 public:
  Client(net::EventLoop& loop, std::unique_ptr<Polling>& polling)
      : polling_(polling), fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)) {
    EXPECT_TRUE(loop.add(fd_.get(), EPOLLIN, *this));
  }

  void request(int count = 1) { eventfd_write(fd_.get(), static_cast<eventfd_t>(count)); }

  void on_events(std::uint32_t) override {
    EXPECT_TRUE(polling_->is_poller());
    EXPECT_EQ(pollers_.fetch_add(1), 0);
    eventfd_t one;
    if (eventfd_read(fd_.get(), &one) == 0) {
      reader = std::this_thread::get_id();
      Exchange exchange;
      EXPECT_EQ(polling_->push(exchange), dispatch::Admission::admitted);
    }
    pollers_.fetch_sub(1);
  }

  std::atomic<std::thread::id> reader{};

 private:
  static inline std::atomic<int> pollers_{0};
  std::unique_ptr<Polling>& polling_;
  Fd fd_;
};

class PollingTest : public testing::Test {
 protected:
  PollingTest() { start({}); }
  ~PollingTest() override {
    end_workers();
    polling_->stop();
    standby_.join();
  }

  void start(Polling::Options options) {
    polling_ = std::make_unique<Polling>(*loop_, queue_, std::move(options));
    standby_ = std::thread([this] { polling_->stand_by(); });
  }
  void worker(std::function<void()> run) {
    workers_.emplace_back([this, run = std::move(run)] {
      while (polling_->take(leaves_)) run();
    });
  }
  void end_workers() {
    queue_.close();
    polling_->wake();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create());
  Polling::Queue queue_{10'000};
  std::unique_ptr<Polling> polling_;
  Client client_{*loop_, polling_};
  std::thread standby_;
  std::atomic<bool> leaves_{false};
  std::vector<std::thread> workers_;
};

TEST_F(PollingTest, EveryRequestIsTakenOnceByWorkersThatComeAndGo) {
  constexpr int kRequests = 20'000;
  std::atomic<int> taken{0};
  for (int index = 0; index < 3; ++index) worker([&] { ++taken; });
  client_.request(kRequests);
  while (taken < kRequests) std::this_thread::yield();
  end_workers();
  EXPECT_EQ(taken, kRequests);
}

TEST_F(PollingTest, AShortRequestRunsOnTheThreadThatReadIt) {
  std::atomic<int> taken{0}, elsewhere{0};
  worker([&] {
    if (client_.reader.load() != std::this_thread::get_id()) ++elsewhere;
    ++taken;
  });
  constexpr int kRequests = 200;
  for (int number = 1; number <= kRequests; ++number) {
    client_.request();
    while (taken < number) std::this_thread::yield();
  }
  // The standby reads one now and then, when this machine stops a worker in the middle.
  EXPECT_LT(elsewhere, kRequests / 2);
}

TEST_F(PollingTest, WhileAWorkerIsBusyAnIdleOneGetsTheNextRequest) {
  std::atomic<int> taken{0};
  std::latch release(1);
  for (int index = 0; index < 2; ++index) {
    worker([&] {
      ++taken;
      release.wait();
    });
  }
  client_.request();
  while (taken < 1) std::this_thread::yield();
  client_.request();  // nobody polls, or the idle worker does
  while (taken < 2) std::this_thread::yield();
  release.count_down();
  end_workers();  // they look at what is of this function
}

TEST_F(PollingTest, TheStandbyReadsWhileEveryWorkerIsBusy) {
  std::atomic<int> taken{0};
  std::latch release(1);
  worker([&] {
    ++taken;
    release.wait();
  });
  client_.request();
  while (taken < 1) std::this_thread::yield();
  client_.request(3);
  while (queue_.depth() < 3) std::this_thread::yield();
  EXPECT_EQ(client_.reader.load(), standby_.get_id());
  release.count_down();
  while (taken < 4) std::this_thread::yield();
  end_workers();
}

TEST_F(PollingTest, AfterTheStandbyAWorkerPollsAgain) {
  std::atomic<int> taken{0};
  std::atomic<bool> busy{true};
  worker([&] {
    ++taken;
    while (busy) std::this_thread::yield();
  });
  client_.request();
  while (taken < 1) std::this_thread::yield();
  client_.request();
  while (queue_.depth() < 1) std::this_thread::yield();  // read by the standby
  busy = false;
  for (int number = 2; client_.reader.load() == standby_.get_id(); ++number) {
    while (taken < number) std::this_thread::yield();
    client_.request();
    while (taken < number + 1) std::this_thread::yield();
  }
  end_workers();
}

TEST_F(PollingTest, NothingMoreOnceTheQueueIsClosed) {
  std::atomic<int> taken{0};
  for (int index = 0; index < 3; ++index) worker([&] { ++taken; });
  end_workers();
  EXPECT_EQ(taken, 0);
  EXPECT_FALSE(polling_->take(leaves_));
}

// Whether it sleeps in the queue or polls.
TEST_F(PollingTest, WhoIsToLeaveTakesNothingMore) {
  std::atomic<int> taken{0};
  worker([&] { ++taken; });
  client_.request();
  while (taken < 1) std::this_thread::yield();
  std::atomic<bool> leaves{false};
  std::vector<std::thread> leaving;
  for (int index = 0; index < 3; ++index) {
    leaving.emplace_back([&] { EXPECT_FALSE(polling_->take(leaves)); });
  }
  leaves = true;
  polling_->wake();
  for (std::thread& thread : leaving) thread.join();
  client_.request();
  while (taken < 2) std::this_thread::yield();
}

TEST_F(PollingTest, TheStandbysTurnsInARowAreAnnounced) {
  polling_->stop();
  standby_.join();
  std::vector<char> said;  // the standby's
  std::atomic<bool> begun{false};
  Polling::Options options;
  options.standby_turn_max_ms = 1;
  options.on_standby_begin = [&] { said.push_back('b'), begun = true; };
  options.on_standby_turn = [&] {
    if (said.back() != 't') said.push_back('t');
  };
  options.on_standby_end = [&] { said.push_back('e'); };
  start(std::move(options));
  while (!begun) std::this_thread::yield();  // there are no workers
  polling_->stop();
  standby_.join();
  EXPECT_EQ(std::string(said.begin(), said.end()), "bte");
  standby_ = std::thread([] {});
}

class PollingLookTest : public PollingTest {
 protected:
  PollingLookTest() {
    polling_->stop();
    standby_.join();
    Polling::Options options;
    options.on_look = [this] { ++looks_; };
    start(std::move(options));
  }
  ~PollingLookTest() override {
    polling_->stop();
    end_workers();
  }

  // A request more makes a worker poll again, and then the standby does not.
  void ask_for_look(std::atomic<int>& taken) {
    while (!polling_->ask_for_look()) {
      const int before = taken;
      client_.request();
      while (taken == before) std::this_thread::yield();
    }
  }

  std::atomic<int> looks_{0};
};

// Also when it has fallen asleep, as it does after some ticks beside a worker that polls.
TEST_F(PollingLookTest, TheStandbyLooksEachTimeItIsAsked) {
  std::atomic<int> taken{0};
  worker([&] { ++taken; });
  for (int round = 0; round < 100; ++round) {
    const int before = looks_;
    ask_for_look(taken);
    while (looks_ == before) std::this_thread::yield();
  }
  end_workers();
}

TEST_F(PollingLookTest, WhileItPollsTheStandbyDoesNotLook) {
  std::atomic<bool> busy{true};
  std::atomic<int> taken{0};
  worker([&] {
    ++taken;
    while (busy) std::this_thread::yield();
  });
  client_.request();
  while (taken < 1) std::this_thread::yield();
  while (polling_->ask_for_look()) std::this_thread::yield();  // until it polls
  const int before = looks_;
  EXPECT_FALSE(polling_->ask_for_look());
  busy = false;
  ask_for_look(taken);
  while (looks_ == before) std::this_thread::yield();
  end_workers();
}

}  // namespace
}  // namespace corral::http
