#include "dispatch/pressure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <random>
#include <vector>

namespace corral::dispatch {
namespace {

constexpr Milliseconds kWaitMaxMs = 100;
constexpr Milliseconds kPatienceMs = 1'000;  // of a client

// A queue and its threads, in simulated time of one millisecond a step.
class Simulation {
 public:
  Simulation(int threads, std::function<Milliseconds()> service)
      : pressure_({threads, kWaitMaxMs}), busy_until_(threads, 0), service_(std::move(service)) {}

  // A request now, and what follows from the time being what it is.
  void arrive() {
    waiting_.push_back(now_ms_);
    ++arrived;
    pressure_.arrived(now_ms_, waiting_.size());
  }

  void step() {
    ++now_ms_;
    int refused_now = 0;
    while (!waiting_.empty() && pressure_.is_overdue(now_ms_ - waiting_.front(), waiting_.size())) {
      refused_after_ms.push_back(now_ms_ - waiting_.front());
      waiting_.pop_front();
      pressure_.turned_away();
      ++refused_now;
    }
    for (Milliseconds& until : busy_until_) {
      if (until <= now_ms_) take(until);
    }
    if (answer_brings_request_) {
      for (; refused_now > 0; --refused_now) arrive();
    }
    was_overload = was_overload || pressure_.is_overload();
  }

  // `rate` a second at random, for so long.
  void load(double rate, Milliseconds span_ms) {
    std::poisson_distribution<int> arrivals(rate / 1000);
    for (const Milliseconds end_ms = now_ms_ + span_ms; now_ms_ < end_ms;) {
      for (int left = arrivals(chance_); left > 0; --left) arrive();
      step();
    }
  }

  // So many clients that each send the next request when they have the answer to the last, which
  // may be a refusal.
  void load_closed(int clients, Milliseconds span_ms) {
    answer_brings_request_ = true;
    for (int client = 0; client < clients; ++client) arrive();
    for (const Milliseconds end_ms = now_ms_ + span_ms; now_ms_ < end_ms;) step();
  }

  void hold_threads(Milliseconds span_ms) {
    for (Milliseconds& until : busy_until_) until = now_ms_ + span_ms;
  }

  std::uint64_t answered_in_time() const {
    return std::count_if(answered_after_ms.begin(), answered_after_ms.end(),
                         [](Milliseconds ms) { return ms <= kPatienceMs; });
  }
  static Milliseconds percentile(std::vector<Milliseconds> values, int percent) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[(values.size() - 1) * percent / 100];
  }
  bool is_overload() const { return pressure_.is_overload(); }
  std::size_t depth() const { return waiting_.size(); }
  void forget() {
    answered_after_ms.clear();
    refused_after_ms.clear();
    arrived = gone = 0;
    was_overload = false;
  }

  std::vector<Milliseconds> answered_after_ms;
  std::vector<Milliseconds> refused_after_ms;
  std::uint64_t arrived = 0;
  std::uint64_t gone = 0;
  bool was_overload = false;

 private:
  void take(Milliseconds& until) {
    while (!waiting_.empty()) {
      const Milliseconds oldest_ms = now_ms_ - waiting_.front();
      const bool is_newest_first = pressure_.is_newest_first(oldest_ms);
      const Milliseconds since_ms = is_newest_first ? waiting_.back() : waiting_.front();
      is_newest_first ? waiting_.pop_back() : waiting_.pop_front();
      pressure_.took(now_ms_, waiting_.size());
      if (!answer_brings_request_ && now_ms_ - since_ms > kPatienceMs) {
        pressure_.found_gone();
        ++gone;
        continue;
      }
      const Milliseconds service_ms = service_();
      until = now_ms_ + service_ms;
      answered_after_ms.push_back(until - since_ms);
      if (answer_brings_request_) arrive();
      return;
    }
  }

  Pressure pressure_;
  std::deque<Milliseconds> waiting_;
  std::vector<Milliseconds> busy_until_;
  std::function<Milliseconds()> service_;
  std::mt19937 chance_{1};
  Milliseconds now_ms_ = 1'000'000;
  bool answer_brings_request_ = false;
};

double capacity_of(int threads, Milliseconds service_ms) {
  return threads * 1000.0 / static_cast<double>(service_ms);
}

struct Group {
  int threads;
  Milliseconds service_ms;
};

class Overload : public testing::TestWithParam<std::tuple<Group, double>> {};

TEST_P(Overload, AnswersWhatItCanInTimeAndTurnsTheRestAwayQuickly) {
  const auto [group, factor] = GetParam();
  const double capacity = capacity_of(group.threads, group.service_ms);
  Simulation sim(group.threads, [ms = group.service_ms] { return ms; });
  sim.load(capacity / 2, 5'000);
  sim.forget();
  sim.load(capacity * factor, 4'000);  // the beginning
  EXPECT_GE(sim.answered_in_time(), 0.9 * capacity * 4);
  sim.forget();
  sim.load(capacity * factor, 20'000);
  EXPECT_GE(sim.answered_in_time(), 0.95 * capacity * 20);
  EXPECT_EQ(sim.gone, 0u);
  EXPECT_LE(sim.percentile(sim.answered_after_ms, 99), 3 * group.service_ms + kWaitMaxMs);
  EXPECT_LE(sim.percentile(sim.refused_after_ms, 50), kWaitMaxMs + 5);
  EXPECT_GE(sim.refused_after_ms.size(), 0.9 * (sim.arrived - capacity * 20));
}

TEST_P(Overload, IsOverWithinASecond) {
  const auto [group, factor] = GetParam();
  const double capacity = capacity_of(group.threads, group.service_ms);
  Simulation sim(group.threads, [ms = group.service_ms] { return ms; });
  sim.load(capacity * factor, 6'000);
  sim.load(capacity / 2, 1'000);
  sim.forget();
  sim.load(capacity / 2, 5'000);
  EXPECT_FALSE(sim.was_overload);
  EXPECT_TRUE(sim.refused_after_ms.empty());
  EXPECT_LE(sim.percentile(sim.answered_after_ms, 99), 4 * group.service_ms);
}

INSTANTIATE_TEST_SUITE_P(Pressure, Overload,
                         testing::Combine(testing::Values(Group{2, 2}, Group{1, 10}, Group{2, 10},
                                                          Group{8, 50}, Group{16, 20}),
                                          testing::Values(2.0, 3.0, 10.0)));

TEST(Pressure, ASmallOverloadCostsLittleEither) {
  Simulation sim(2, [] { return 10; });
  sim.load(220, 60'000);
  EXPECT_GE(sim.answered_in_time(), 0.93 * 200 * 60);
}

TEST(Pressure, NobodyIsTurnedAwayUnderAHighLoad) {
  Simulation sim(2, [] { return 10; });
  sim.load(180, 60'000);
  EXPECT_FALSE(sim.was_overload);
}

TEST(Pressure, ABurstIsServedAndNotTurnedAway) {
  Simulation sim(2, [] { return 50; });
  for (int turn = 0; turn < 10; ++turn) {
    for (int request = 0; request < 100; ++request) sim.arrive();  // two and a half seconds' work
    sim.load(1, 5'000);
    EXPECT_EQ(sim.depth(), 0u);
  }
  EXPECT_FALSE(sim.was_overload);
  EXPECT_EQ(sim.answered_after_ms.size() + sim.gone, sim.arrived);
}

TEST(Pressure, ThreadsThatAreHeldUpAreNoOverload) {
  Simulation sim(2, [] { return 20; });
  sim.load(20, 2'000);
  for (int turn = 0; turn < 5; ++turn) {
    sim.hold_threads(3'000);
    sim.load(20, 6'000);
  }
  EXPECT_FALSE(sim.was_overload);
}

TEST(Pressure, ClientsThatWaitForEachOtherAreNoOverload) {
  for (const int clients : {16, 64, 200}) {
    Simulation sim(2, [] { return 10; });
    sim.load_closed(clients, 20'000);
    EXPECT_FALSE(sim.was_overload) << clients << " clients";
    EXPECT_LE(sim.percentile(sim.answered_after_ms, 99), clients * 5 + 300);
  }
}

TEST(Pressure, ClientsThatAskAgainAtOnceDoNotKeepAnOverloadUp) {
  for (const int clients : {16, 64, 200}) {
    Simulation sim(2, [] { return 10; });
    sim.load(1'000, 3'000);
    ASSERT_TRUE(sim.is_overload());
    sim.load_closed(clients, 5'000);
    sim.forget();
    sim.load_closed(0, 20'000);
    EXPECT_FALSE(sim.was_overload) << clients << " clients";
  }
}

TEST(Pressure, ServesInTheOrderOfArrivalUntilAWaitIsLong) {
  Pressure pressure({2, kWaitMaxMs});
  EXPECT_FALSE(pressure.is_newest_first(0));
  EXPECT_FALSE(pressure.is_newest_first(100'000));  // nothing speaks of more than can be done
}

TEST(Pressure, CanBeSwitchedOff) {
  Pressure pressure({1, 0});
  for (Milliseconds now_ms = 0; now_ms < 20'000; ++now_ms) {
    pressure.arrived(now_ms, static_cast<std::size_t>(now_ms) + 1);
    if (now_ms % 10 == 0) pressure.took(now_ms, static_cast<std::size_t>(now_ms));
    ASSERT_FALSE(pressure.is_overload());
    ASSERT_FALSE(pressure.is_newest_first(now_ms));
  }
}

}  // namespace
}  // namespace corral::dispatch
