// How fast the PostgreSQL store is by itself: claims and finishes in batches of 200, no runner.
//
//   CORRAL_TEST_POSTGRES="host=… dbname=…" build/release/postgres_store_bench
//
// The database has the tables of corral.tasks and READY rows in them; every one is finished. Prints
// jobs a second and what a claim and a finish take.
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "tasks/postgres_store.h"

namespace {

constexpr int kBatch = 200;

using namespace corral;

double ms(std::int64_t ns) { return static_cast<double>(ns) / 1e6; }

int fail(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

std::vector<tasks::Outcome> outcomes_of(const std::vector<tasks::Job>& jobs) {
  const std::string now = std::to_string(monotonic_ns());
  std::vector<tasks::Outcome> outcomes;
  for (const tasks::Job& job : jobs) {
    outcomes.push_back({job.id, job.lease, tasks::JobStatus::successful,
                        R"({"return_value":"null","began":)" + now + R"(,"ended":)" + now +
                            R"(,"worker_ids":"[\"host:1/tasks.1\"]","retention":86400})"});
  }
  return outcomes;
}

int measure(tasks::PostgresStore& store) {
  std::int64_t claim_ns = 0, finish_ns = 0;
  int jobs = 0, batches = 0;
  for (;;) {
    const std::int64_t began_ns = monotonic_ns();
    auto claim = store.claim(kBatch, tasks::Store::Suspects::none);
    const std::int64_t claimed_ns = monotonic_ns();
    if (!claim) return fail(claim.error());
    if (claim->jobs.empty()) break;
    const auto outcomes = outcomes_of(claim->jobs);
    const std::int64_t ran_ns = monotonic_ns();
    auto late = store.finish(outcomes);
    if (!late) return fail(late.error());
    claim_ns += claimed_ns - began_ns;
    finish_ns += monotonic_ns() - ran_ns;
    jobs += static_cast<int>(claim->jobs.size());
    ++batches;
  }
  if (batches == 0) return fail({"there is no READY row"});
  std::printf("%d jobs, %.0f a second; a claim of %d takes %.2f ms, a finish %.2f ms\n", jobs,
              jobs / (static_cast<double>(claim_ns + finish_ns) / 1e9), kBatch,
              ms(claim_ns) / batches, ms(finish_ns) / batches);
  return 0;
}

}  // namespace

int main() {
  const char* conninfo = std::getenv("CORRAL_TEST_POSTGRES");
  if (conninfo == nullptr) return fail({"CORRAL_TEST_POSTGRES is not set"});
  tasks::PostgresStore::Options options;
  options.conninfo = conninfo;
  options.libpq = {"libpq.so.5"};
  options.incarnation = "00000000-0000-4000-8000-000000000009";
  options.host = "bench";
  if (std::getenv("CORRAL_TEST_QUEUE") != nullptr) options.queues = {{"default"}};
  tasks::PostgresStore store(options);
  if (auto opened = store.open(); !opened) return fail(opened.error());
  const int status = measure(store);
  store.close();
  return status;
}
