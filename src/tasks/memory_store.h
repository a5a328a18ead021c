// A store in memory, complete: leases, nodes, rescue, crash accounting. For tests, and for sites
// whose jobs may be forgotten when the program ends.
//
// MemoryDatabase is what nodes share; MemoryStore is one node's view of it. Every method of
// MemoryDatabase may be called from any thread. Its clock is given, so that tests move time instead
// of waiting for it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "tasks/shares.h"
#include "tasks/store.h"

namespace corral::tasks {

enum class RowStatus : std::uint8_t { ready, running, failed, successful };

struct NewJob {
  std::string payload;
  std::string queue = "default";
  int priority = 0;           // higher runs earlier
  Milliseconds delay_ms = 0;  // from now on the database's clock
  bool at_most_once = false;
};

struct Row {
  std::string id;
  std::uint64_t age = 0;  // order of enqueueing
  std::string queue;
  std::string payload;
  int priority = 0;
  Milliseconds due_at_ms = 0;
  RowStatus status = RowStatus::ready;
  std::int64_t lease = 0;     // never goes back
  bool is_cancelled = false;  // its end was asked for
  bool at_most_once = false;  // an attempt that died with its process is not repeated
  int attempts = 0;
  int crashes = 0;
  std::string node;  // who runs it
  std::string result;
  Milliseconds prune_at_ms = -1;  // -1: never
};

class MemoryDatabase {
 public:
  static constexpr int kCrashesMax = 2;  // that many crashes fail a job

  explicit MemoryDatabase(std::function<Milliseconds()> clock = monotonic_ms)
      : clock_(std::move(clock)) {}

  std::string enqueue(NewJob job);                             // returns its id
  void pause(const std::string& queue, Milliseconds span_ms);  // -1: until resume()
  void resume(const std::string& queue);
  void cancel(const std::string& id);
  std::optional<Row> find(const std::string& id) const;
  int count(RowStatus status) const;
  bool has_node(const std::string& node) const;

  // What MemoryStore is made of: each is one transaction.
  int join(const std::string& node, Milliseconds lease_ms,
           const std::set<std::pair<std::string, std::int64_t>>& known);
  int beat(const std::string& node, Milliseconds lease_ms);
  Claim claim(const std::string& node, int limit, Store::Suspects suspects, Shares& shares);
  int finish(std::span<const Outcome> outcomes);
  std::vector<Store::Held> cancelled(const std::string& node);
  int prune(int limit);
  void release(std::span<const Job> jobs);
  void leave(const std::string& node);
  Milliseconds next_tick_ms() const;
  // A schedule with one tick, and what a task thread does with it: take_tick() is true for one.
  void plan_tick(Milliseconds delay_ms);
  bool take_tick();
  std::uint64_t version() const;  // changes with every write

 private:
  using Place = std::tuple<int, Milliseconds,
                           std::uint64_t>;  // -priority, due, age: the order of claims

  static Place place_of(const Row& row) { return {-row.priority, row.due_at_ms, row.age}; }
  // How long the row must wait yet; -1: nobody knows, or for ever.
  Milliseconds wait_ms(const Row& row, Milliseconds now_ms) const;
  Row* find_running(const std::string& id, std::int64_t lease);
  void end(Row& row, const Outcome& outcome);
  void put_back(Row& row);
  int rescue();
  void renew(const std::string& node, Milliseconds lease_ms);
  std::vector<Row*> next_rows(std::size_t count_max, bool wants_suspect, const Shares& shares);

  const std::function<Milliseconds()> clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Row> rows_;  // guarded by mutex_
  std::map<Place, Row*> waiting_;    // guarded by mutex_: the ready ones; rows_ keeps them in place
  std::map<std::string, Milliseconds> nodes_;   // guarded by mutex_: when each one's lease ends
  std::map<std::string, Milliseconds> paused_;  // guarded by mutex_: until when; -1: no end
  std::uint64_t version_ = 0;                   // guarded by mutex_
  bool has_schedules_ = false;                  // guarded by mutex_
  std::optional<Milliseconds> tick_at_ms_;      // guarded by mutex_
};

class MemoryStore : public Store {
 public:
  struct Options {
    std::string node;  // unique for every life of a node
    Milliseconds lease_ms = 15'000;
    std::map<std::string, std::int64_t> weights{};  // of queues; 1 for the others
  };

  MemoryStore(MemoryDatabase& database, Options options)
      : database_(database), options_(std::move(options)), shares_(options_.weights) {}

  Result<int> open() override;
  Result<Claim> claim(int limit, Suspects suspects) override;
  Result<int> finish(std::span<const Outcome> outcomes) override;
  Result<void> release(std::span<const Job> jobs) override;
  Result<int> beat() override;
  Result<std::vector<Held>> cancelled() override { return database_.cancelled(options_.node); }
  Result<int> prune(int limit) override;
  Result<Milliseconds> next_tick_ms() override { return database_.next_tick_ms(); }
  Result<bool> changed() override;
  void close() override;

  // The next claim is carried out but its answer does not arrive, as when a connection breaks after
  // the commit.
  void lose_next_claim_for_test() { loses_next_claim_ = true; }

 private:
  MemoryDatabase& database_;
  const Options options_;
  std::set<std::pair<std::string, std::int64_t>> known_;  // id and lease of what the keeper holds
  Shares shares_;
  std::uint64_t seen_version_ = 0;
  bool loses_next_claim_ = false;
};

}  // namespace corral::tasks
