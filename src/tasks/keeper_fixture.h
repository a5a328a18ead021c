// For the keeper's tests: a store that fails and blocks on demand, and a node of real threads
// around a keeper.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/log.h"
#include "tasks/keeper.h"
#include "tasks/memory_store.h"

namespace corral::tasks {

constexpr auto kWaitMax = std::chrono::seconds(60);  // generous: a test that needs it has failed
constexpr Milliseconds kForEver = 3'600'000;

enum class Call {
  open,
  claim,
  claim_suspect,
  finish,
  release,
  beat,
  cancelled,
  prune,
  next_tick,
  changed,
  close
};

// Forwards to another store; fails, blocks and counts on demand, and checks the bound on claims.
class FaultyStore : public Store {
  template <typename Body>
  auto with_lock(Body body) {
    std::lock_guard lock(mutex_);
    ++events_;
    changed_.notify_all();
    return body();
  }

 public:
  FaultyStore(Store& inner, int capacity) : inner_(inner), capacity_(capacity) {}

  // From now on `call` fails; heal() ends it for all calls.
  void fail(Call call) {
    with_lock([&] { failing_[call] = true; });
  }
  void fail_all() {
    for (Call call : {Call::open, Call::claim, Call::claim_suspect, Call::finish, Call::release,
                      Call::beat, Call::cancelled, Call::prune, Call::next_tick, Call::changed})
      fail(call);
  }
  void heal() {
    with_lock([&] { failing_.clear(); });
  }
  // From now on `call` waits inside the store until let_go().
  void hold(Call call) {
    with_lock([&] { held_[call] = true; });
  }
  void let_go() {
    with_lock([&] { held_.clear(); });
  }

  int calls(Call call) {
    std::lock_guard lock(mutex_);
    return calls_[call];
  }
  int failures() {
    std::lock_guard lock(mutex_);
    return failures_;
  }
  // Waits until `done` holds, looking after every call of the keeper.
  bool wait_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + kWaitMax;
    std::unique_lock lock(mutex_);
    while (true) {
      const auto seen = events_;
      lock.unlock();
      if (done()) return true;
      lock.lock();
      if (!changed_.wait_until(lock, deadline, [&] { return events_ != seen; })) return false;
    }
  }
  bool wait_for_calls(Call call, int total) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kWaitMax, [&] { return calls_[call] >= total; });
  }
  bool wait_for_more_calls(Call call, int more) { return wait_for_calls(call, calls(call) + more); }

  Result<int> open() override {
    return pass<Result<int>>(Call::open, [&] { return inner_.open(); });
  }
  Result<Claim> claim(int limit, Suspects suspects) override {
    const Call call = suspects == Suspects::one ? Call::claim_suspect : Call::claim;
    return pass<Result<Claim>>(call, [&] {
      EXPECT_LE(limit + (suspects == Suspects::one ? 0 : unfinished_), capacity_);
      EXPECT_GT(limit, 0);
      auto claim = inner_.claim(limit, suspects);
      if (claim) unfinished_ += static_cast<int>(claim->jobs.size());
      return claim;
    });
  }
  Result<int> finish(std::span<const Outcome> outcomes) override {
    return pass<Result<int>>(Call::finish, [&] {
      EXPECT_FALSE(outcomes.empty());
      unfinished_ -= static_cast<int>(outcomes.size());
      return inner_.finish(outcomes);
    });
  }
  Result<void> release(std::span<const Job> jobs) override {
    return pass<Result<void>>(Call::release, [&] {
      EXPECT_FALSE(jobs.empty());
      unfinished_ -= static_cast<int>(jobs.size());
      return inner_.release(jobs);
    });
  }
  Result<int> beat() override {
    return pass<Result<int>>(Call::beat, [&] { return inner_.beat(); });
  }
  Result<std::vector<Held>> cancelled() override {
    return pass<Result<std::vector<Held>>>(Call::cancelled, [&] { return inner_.cancelled(); });
  }
  Result<int> prune(int limit) override {
    return pass<Result<int>>(Call::prune, [&] { return inner_.prune(limit); });
  }
  Result<Milliseconds> next_tick_ms() override {
    return pass<Result<Milliseconds>>(Call::next_tick, [&] { return inner_.next_tick_ms(); });
  }
  Result<bool> changed() override {
    return pass<Result<bool>>(Call::changed, [&] { return inner_.changed(); });
  }
  void close() override {
    auto closed = pass<Result<void>>(Call::close, [&] { return inner_.close(), Result<void>{}; });
    EXPECT_TRUE(closed);
  }

 private:
  template <typename R, typename Body>
  R pass(Call call, Body body) {
    {
      std::unique_lock lock(mutex_);
      ++calls_[call];
      ++events_;
      changed_.notify_all();
      EXPECT_TRUE(changed_.wait_for(lock, kWaitMax, [&] { return !held_[call]; }));
      if (failing_[call]) {
        ++failures_;
        return Error{"injected failure"};
      }
    }
    R result = body();
    with_lock([] {});  // who waits looks again
    return result;
  }

  Store& inner_;
  const int capacity_;
  int unfinished_ = 0;  // owned by the keeper thread: claimed, neither finished nor given back
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Call, bool> failing_;  // the rest: guarded by mutex_
  std::map<Call, bool> held_;
  std::map<Call, int> calls_;
  int failures_ = 0;
  std::uint64_t events_ = 0;
};

// A log that a test can read.
class ReadableLog {
 public:
  std::string text() {
    log.flush();
    std::string all;
    std::array<char, 4096> part;
    ssize_t got = 0;
    while ((got = ::pread(fd_.get(), part.data(), part.size(), static_cast<off_t>(all.size()))) >
           0) {
      all.append(part.data(), static_cast<std::size_t>(got));
    }
    return all;
  }
  int count(const std::string& what) {
    const std::string all = text();
    int count = 0;
    for (auto at = all.find(what); at != std::string::npos; at = all.find(what, at + 1)) ++count;
    return count;
  }

 private:
  Fd fd_{::memfd_create("log", MFD_CLOEXEC)};

 public:
  Log log{{.level = LogLevel::info, .format = LogFormat::json, .program = "test", .fd = fd_.get()}};
};

// Something that happens once; waiting for it has a bound.
class Event {
 public:
  void set() {
    std::lock_guard lock(mutex_);
    is_set_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kWaitMax, [&] { return is_set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_set_ = false;
};

// Counts up; a test waits for a number.
class Counter {
 public:
  void add() {
    std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  bool wait_for(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kWaitMax, [&] { return count_ >= count; });
  }
  int count() {
    std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

// A node: keeper, store, threads. Its tasks are functions of the job.
class Node {
 public:
  using Task = std::function<JobStatus(const Job&)>;

  static Keeper::Options plain(int threads, int prefetch_max = 8) {
    Keeper::Options options;
    options.threads = threads;
    options.limits.prefetch_max = prefetch_max;
    options.limits.prefetch_span_ms = kForEver;  // once earned (earn_prefetch) it stays
    options.limits.prefetch_patience_ms = kForEver;
    options.limits.poll_interval_ms =
        0;  // rows are noticed through wakes only, unless the test says otherwise
    options.limits.node_lease_ms = kForEver;
    return options;
  }

  Node(MemoryDatabase& database, Keeper::Options options, Task task, std::string name = "node")
      : memory(database, {std::move(name), kForEver}),
        store(memory, options.threads + options.limits.prefetch_max),
        keeper(store, options, log.log),
        task_(std::move(task)),
        thread_count_(options.threads) {}
  ~Node() { stop(); }

  void start() {
    auto started = keeper.start();
    ASSERT_TRUE(started) << started.error().message;
    start_threads();
  }
  void start_threads() {
    for (int n = 0; n < thread_count_; ++n) threads_.emplace_back([this] { work(); });
  }
  // Runs jobs until the node holds all it may. Its task must end jobs with the payload "quick".
  void earn_prefetch(MemoryDatabase& database, int capacity) {
    for (int n = 0; n < capacity; ++n) database.enqueue({.payload = "quick"});
    keeper.wake();
    ASSERT_TRUE(
        store.wait_until([&] { return database.count(RowStatus::successful) == capacity; }));
  }
  int stop(Milliseconds grace_ms = kForEver) {
    const int running = keeper.drain(monotonic_ms() + grace_ms);
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    return running;
  }

  ReadableLog log;
  MemoryStore memory;
  FaultyStore store;
  Keeper keeper;
  Counter outcomes;  // handed to the keeper

 private:
  void work() {
    while (auto taken = keeper.ready().pop()) {
      const JobStatus status = task_(taken->item);
      keeper.finish(Outcome{taken->item.id, taken->item.lease, status, "{}"});
      outcomes.add();
    }
  }

  const Task task_;
  const int thread_count_;
  std::vector<std::thread> threads_;
};

}  // namespace corral::tasks
