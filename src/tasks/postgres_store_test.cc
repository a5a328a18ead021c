// The store against a real server: CORRAL_TEST_POSTGRES names a database (libpq's conninfo) with
// the tables of corral.tasks, which these tests empty. tests/tasks/test_tasks_postgres.py makes one
// with Django's own migrations and runs them.
#include "tasks/postgres_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "tasks/store_world.h"

namespace corral::tasks {
namespace {

// The system's, or the copy that psycopg brings: CORRAL_TEST_LIBPQ says where that is.
std::vector<std::string> libraries() {
  std::vector<std::string> names{"libpq.so.5"};
  if (const char* copy = std::getenv("CORRAL_TEST_LIBPQ")) names.emplace_back(copy);
  return names;
}

// Ids in the order of their making, as uuid7 has them. Args are whatever the test gives.
constexpr const char* kEnqueue =
    "INSERT INTO corral_job (id, task_path, queue_name, backend_name, priority, args, kwargs, "
    "status, run_after, enqueued_at, due_at, errors, worker_ids, lease, crashes, options, "
    "at_most_once) SELECT lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint), "
    "32, '0')::uuid, 'task', $1::text, 'default', $2::smallint, $3::text, '{}', 'READY', after, "
    "clock_timestamp(), coalesce(after, clock_timestamp()), '[]', '[]', 0, 0, '{}', $5::boolean "
    "FROM (SELECT CASE WHEN $4::bigint > 0 THEN clock_timestamp() + $4::bigint * "
    "interval '1 millisecond' END AS after) AS deferred RETURNING id";

PostgresStore::Options options_of(const std::string& conninfo, int number) {
  PostgresStore::Options options;
  options.conninfo = conninfo;
  options.libpq = libraries();
  options.incarnation = "00000000-0000-4000-8000-00000000000" + std::to_string(number);
  options.host = "node-" + std::to_string(number);
  options.pid = ::getpid();
  options.lease_ms = kWorldLeaseMs;
  options.looks_until_dead = 0;  // what looks prove has tests of its own (witness_test.cc)
  options.weights[kWorldHeavyQueue] = 3;
  return options;
}

class PostgresWorld : public StoreWorld {
 public:
  PostgresWorld(const std::string& conninfo, bool keeps_session) {
    auto pq = Libpq::load(libraries(), conninfo);
    CORRAL_CHECK(pq, pq.error().message.c_str());
    auto session = Session::connect(*pq, conninfo, Session::Preparing::unprepared);
    CORRAL_CHECK(session, session.error().message.c_str());
    session_ = std::move(*session);
    run("DELETE FROM corral_job");
    run("DELETE FROM corral_node");
    run("DELETE FROM corral_schedule");
    run("DELETE FROM corral_queue");
    for (int number : {0, 1}) {
      auto options = options_of(conninfo, number);
      options.keeps_session = keeps_session;
      nodes_.push_back(std::make_unique<PostgresStore>(options));
    }
  }

  Store& node(int number) override { return *nodes_.at(static_cast<std::size_t>(number)); }

  std::string enqueue(NewJob job) override {
    return run(kEnqueue, Parameters()
                             .text(job.queue)
                             .number(job.priority)
                             .text(job.payload)
                             .number(job.delay_ms)
                             .text(job.at_most_once ? "t" : "f"))
        .uuid(0, 0);
  }

  void pause(const std::string& queue, Milliseconds span_ms) override {
    run("INSERT INTO corral_queue (name, paused_at, resume_at) SELECT $1::text, clock_timestamp(), "
        "CASE WHEN $2::bigint >= 0 THEN clock_timestamp() + $2::bigint * "
        "interval '1 millisecond' END",
        Parameters().text(queue).number(span_ms));
  }

  void resume(const std::string& queue) override {
    run("DELETE FROM corral_queue WHERE name = $1::text", Parameters().text(queue));
  }

  void cancel(const std::string& id) override {
    run("UPDATE corral_job SET cancel_requested_at = clock_timestamp() WHERE id = $1::uuid",
        Parameters().text(id));
  }

  Row row(const std::string& id) override {
    const Answer answer =
        run("SELECT status, lease, json_array_length(worker_ids::json), crashes, errors "
            "FROM corral_job WHERE id = $1::uuid",
            Parameters().text(id));
    CORRAL_CHECK(answer.rows() == 1, "the row is there");
    Row row;
    row.id = id;
    const std::string_view status = answer.text(0, 0);
    row.status = status == "READY"     ? RowStatus::ready
                 : status == "RUNNING" ? RowStatus::running
                 : status == "FAILED"  ? RowStatus::failed
                                       : RowStatus::successful;
    row.lease = answer.number(0, 1);
    // The memory store counts attempts; the table keeps the names of who ran them, crashes too.
    row.crashes = static_cast<int>(answer.number(0, 3));
    row.attempts = static_cast<int>(answer.number(0, 2)) - row.crashes;
    row.result = answer.text(0, 4);
    return row;
  }

  bool exists(const std::string& id) override {
    return run("SELECT FROM corral_job WHERE id = $1::uuid", Parameters().text(id)).rows() == 1;
  }

  void plan_tick(Milliseconds delay_ms) override {
    run("INSERT INTO corral_schedule (name, task_path, backend_name, queue_name, priority, args, "
        "kwargs, options, cron, tz, missed, enabled, source, version, last_error, next_run_at) "
        "VALUES (gen_random_uuid()::text, 'task', 'default', 'default', 0, '[]', '{}', '{}', "
        "'* * * * *', 'UTC', 'once', true, 'admin', 0, '', "
        "(extract(epoch FROM clock_timestamp()) * 1000 + $1::bigint)::bigint / 1000)",
        Parameters().number(delay_ms));
  }

  // The clock stands still; all times of the tables move back instead.
  void pass(Milliseconds span_ms) override {
    const auto span = Parameters().number(span_ms);
    run("UPDATE corral_node SET expires_at = expires_at - $1::bigint * interval '1 millisecond'",
        span);
    run("UPDATE corral_job SET due_at = due_at - $1::bigint * interval '1 millisecond', "
        "run_after = run_after - $1::bigint * interval '1 millisecond', "
        "prune_at = prune_at - $1::bigint * interval '1 millisecond'",
        span);
    run("UPDATE corral_queue SET resume_at = resume_at - $1::bigint * interval '1 millisecond'",
        span);
  }

  void lose_next_claim(int number) override {
    nodes_.at(static_cast<std::size_t>(number))->lose_next_claim_for_test();
  }

  std::string payload_of(const Job& job) override {
    const std::size_t start = job.payload.find("\"args\":") + 7;
    return job.payload.substr(start, job.payload.find(",\"kwargs\":") - start);
  }

  Answer run(const char* sql, const Parameters& parameters = {}) {
    auto answer = session_->run({"", sql}, parameters);
    CORRAL_CHECK(answer, answer.error().message.c_str());
    return std::move(*answer);
  }

 private:
  std::unique_ptr<Session> session_;
  std::vector<std::unique_ptr<PostgresStore>> nodes_;
};

std::unique_ptr<StoreWorld> make_world(bool keeps_session) {
  const char* conninfo = std::getenv("CORRAL_TEST_POSTGRES");
  if (conninfo == nullptr) return nullptr;
  return std::make_unique<PostgresWorld>(conninfo, keeps_session);
}

int parameters_of(const std::string& sql) {
  int most = 0;
  for (std::size_t at = sql.find('$'); at != std::string::npos; at = sql.find('$', at + 1))
    most = std::max(most, std::atoi(sql.c_str() + at + 1));
  return most;
}

// The plans of the prepared statements, which are made once and have to be good for every table.
class PostgresPlans : public testing::Test {
 protected:
  void SetUp() override {
    const char* conninfo = std::getenv("CORRAL_TEST_POSTGRES");
    if (conninfo == nullptr) GTEST_SKIP() << "the database of these tests is not named";
    world_ = std::make_unique<PostgresWorld>(conninfo, true);
    world_->run("DEALLOCATE ALL");
    world_->run(sql_.set_up.sql.c_str());
  }
  std::string plan_of(const Statement& statement) {
    const std::string name = std::string("plan_") + statement.name;
    world_->run(("PREPARE " + name + " AS " + statement.sql).c_str());
    std::string arguments;
    for (int n = parameters_of(statement.sql); n > 0; --n) {
      arguments += arguments.empty() ? "(NULL" : ", NULL";
    }
    if (!arguments.empty()) arguments += ")";
    const Answer answer = world_->run(("EXPLAIN EXECUTE " + name + arguments).c_str());
    std::string plan;
    for (int row = 0; row < answer.rows(); ++row) plan += std::string(answer.text(row, 0)) + "\n";
    return plan;
  }
  std::vector<const Statement*> statements() {
    std::vector<const Statement*> all{&sql_.rescue, &sql_.held_rows, &sql_.finish, &sql_.prune,
                                      &sql_.release};
    for (const Queues queues : {Queues::one, Queues::several, Queues::any}) {
      for (const bool suspects : {false, true}) {
        all.push_back(&sql_.claim(queues, suspects));
        all.push_back(&sql_.wait(queues, suspects));
      }
      all.push_back(&sql_.peek(queues));
    }
    return all;
  }
  void expect_indexes() {
    for (const Statement* statement : statements()) {
      const std::string plan = plan_of(*statement);
      EXPECT_EQ(plan.find("Seq Scan on corral_job"), std::string::npos) << plan;
    }
    for (const Queues queues : {Queues::one, Queues::several, Queues::any}) {
      world_->run("DEALLOCATE ALL");
      const std::string plan = plan_of(sql_.claim(queues, false));
      EXPECT_NE(plan.find("corral_job_ready"), std::string::npos) << plan;
      EXPECT_NE(plan.find("corral_job_pkey"), std::string::npos) << plan;
    }
    world_->run("DEALLOCATE ALL");
    for (const Statement* statement : {&sql_.finish, &sql_.release}) {
      const std::string plan = plan_of(*statement);
      EXPECT_NE(plan.find("Index Scan using corral_job_pkey"), std::string::npos) << plan;
      EXPECT_EQ(plan.find("corral_job_running"), std::string::npos) << plan;
    }
  }

  PostgresSql sql_{""};
  std::unique_ptr<PostgresWorld> world_;
};

TEST_F(PostgresPlans, GoByAnIndexAlsoWhenMadeForAnEmptyTable) {
  world_->run("ANALYZE corral_job");
  expect_indexes();
}

TEST_F(PostgresPlans, GoByAnIndexWhereNearlyAllRowsAreWaiting) {
  world_->run(
      "INSERT INTO corral_job (id, task_path, queue_name, backend_name, priority, args, kwargs, "
      "status, enqueued_at, due_at, errors, worker_ids, lease, crashes, options, at_most_once) "
      "SELECT gen_random_uuid(), 'task', 'default', 'default', 0, '[]', '{}', 'READY', "
      "clock_timestamp(), clock_timestamp(), '[]', '[]', 0, 0, '{}', false "
      "FROM generate_series(1, 20000)");
  world_->run("ANALYZE corral_job");
  expect_indexes();
}

}  // namespace

std::unique_ptr<StoreWorld> make_postgres_world() { return make_world(true); }
std::unique_ptr<StoreWorld> make_postgres_world_sessionless() { return make_world(false); }

}  // namespace corral::tasks
