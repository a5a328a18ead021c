// The job store on PostgreSQL, through libpq, on the keeper's own thread: no interpreter and no
// driver. The rows are those of python/corral/tasks/models.py; the behaviour is that of
// python/corral/tasks/store.py, and one suite of tests runs over both.
//
// Keeper thread only, except configure().
//
// Sources, in the order of a job's walk: postgres_store.cc (life, news), postgres_claim.cc,
// postgres_finish.cc, postgres_rescue.cc (heartbeat, what dead nodes left).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tasks/libpq.h"
#include "tasks/postgres_session.h"
#include "tasks/postgres_sql.h"
#include "tasks/shares.h"
#include "tasks/store.h"
#include "tasks/witness.h"

namespace corral::tasks {

class PostgresStore final : public Store {
 public:
  struct Options {
    // What python/corral/tasks/postgres.py found in the site's settings.
    std::string conninfo;                            // may hold a password: never into a log
    std::vector<std::string> libpq;                  // where to look for the library, in order
    std::string role;                                // to SET; "": none
    std::optional<std::vector<std::string>> queues;  // nothing: all that have rows
    std::map<std::string, std::int64_t> weights;     // of queues; 1 for the others
    std::map<std::string, int> crashes_max;          // by backend
    int crashes_max_of_others = 2;
    // Of failed jobs whose task was not asked, by backend, microseconds; nothing: kept.
    std::map<std::string, std::optional<std::int64_t>> failed_retention_us;
    std::string time_zone;      // of naive times; "": times are UTC
    bool keeps_session = true;  // false behind a pooler of transactions: no state in the session

    // Who this node is.
    std::string incarnation;  // a UUID
    std::string host;
    std::int64_t pid = 0;
    Milliseconds lease_ms = 15'000;
    int looks_until_dead = Witness::kLooks;  // fewer in tests
  };

  // From the JSON of a task worker and of the node; an error is a fault of Corral's own.
  static Result<Options> parse_options(std::string_view config, std::string_view node);

  explicit PostgresStore(Options options);
  ~PostgresStore() override;

  // The library; open() does it too. Says early whether there is one.
  Result<void> load();

  Result<int> open() override;
  Result<Claim> claim(int limit, Suspects suspects) override;
  Result<int> finish(std::span<const Outcome> outcomes) override;
  Result<void> release(std::span<const Job> jobs) override;
  Result<int> beat() override;
  Result<std::vector<Held>> cancelled() override;
  Result<int> prune(int limit) override;
  Result<Milliseconds> next_tick_ms() override;
  Result<bool> changed() override;
  int wake_fd() const override;
  Result<bool> hear() override;
  bool announces() const override { return options_.keeps_session && has_company_; }
  Result<void> announce() override;
  void close() override;

  // The next claim is carried out but its answer does not arrive, as when a connection breaks
  // after the commit.
  void lose_next_claim_for_test() { loses_next_claim_ = true; }

 private:
  using Key = std::pair<std::string, std::int64_t>;  // id, lease

  // One row of the finish statement; nothing leaves `errors` and `worker_ids` as they are.
  struct Finished {
    std::string id;
    std::int64_t lease = 0;
    std::string status;
    std::int64_t began_us = 0;             // from now, so negative
    std::optional<std::int64_t> ended_us;  // nothing: it is to be run again
    std::optional<std::int64_t> retry_us;
    std::optional<std::int64_t> retention_us;  // nothing: kept; kNotAsked
    std::optional<std::string> return_value;
    std::optional<std::string> errors;  // the whole list
    std::optional<std::string> error;   // an entry more
    std::optional<std::string> worker_ids;

    std::size_t bytes() const;
  };

  Result<Answer> run(const Statement& statement, const Parameters& parameters);
  Result<void> set_up_session();
  Result<void> give_back_undelivered();
  Result<void> release(std::span<const Key> keys);

  Parameters with_queues() const;
  void add_shares(Parameters& parameters) const;
  Result<Milliseconds> wait_ms(bool suspects);

  // Backends, and how long each keeps failed jobs.
  std::pair<std::vector<std::string>, std::vector<std::optional<std::int64_t>>> failed_retentions()
      const;
  static constexpr std::int64_t kNotAsked = -1;  // the backend's default counts
  static Finished failed(Finished row, std::string_view message);
  static Finished finished_from(const Outcome& outcome);
  static Finished refused(const Finished& row, const std::string& reason);
  Result<int> write(std::span<const Finished> rows);
  Result<int> write_once(std::span<const Finished> rows);

  Result<void> renew();
  Result<bool> bury_dead_nodes();
  Result<int> rescue();

  const Options options_;
  const PostgresSql sql_;
  const Queues queues_;
  const std::string label_;  // JSON: what a claim adds to worker_ids
  std::shared_ptr<const Libpq> libpq_;
  std::unique_ptr<Session> session_;
  // What the keeper learnt of: claimed, neither finished nor released since.
  std::set<Key> held_;
  Witness witness_;
  Shares shares_;
  bool has_company_ = false;  // other nodes live
  Milliseconds announced_at_ms_ = 0;
  bool loses_next_claim_ = false;
};

}  // namespace corral::tasks
