// The heartbeat of this node, and what becomes of jobs whose node died.
//
// A node is dead when its lease time is over by the server's clock, or when its process is provably
// gone on this machine. Its jobs become READY again with one crash more, or FAILED when that makes
// max_crashes.
#include "base/json.h"
#include "tasks/machine.h"
#include "tasks/postgres_store.h"

namespace corral::tasks {
namespace {

constexpr int kRescueRowsMax = 500;  // in one statement

// records.plain_error(WORKER_CRASHED, ...); the statement puts the number in.
constexpr const char* kCrashedEntry =
    R"({"exception_class_path":"corral.exceptions.WorkerCrashed",)"
    R"("message":"the process ended while it ran this job, %d times in all",)"
    R"("traceback":"corral.exceptions.WorkerCrashed: )"
    R"(the process ended while it ran this job, %d times in all\n"})";

constexpr const char* kCrashedOnceEntry =
    R"({"exception_class_path":"corral.exceptions.WorkerCrashed",)"
    R"("message":"the process ended while it held this job, which runs at most once: )"
    R"(whether it had begun is not known",)"
    R"("traceback":"corral.exceptions.WorkerCrashed: )"
    R"(the process ended while it held this job, which runs at most once: )"
    R"(whether it had begun is not known\n"})";

}  // namespace

Result<int> PostgresStore::beat() {
  if (Result<void> renewed = renew(); !renewed) return renewed.error();
  if (Result<void> buried = bury_dead_processes(); !buried) return buried.error();
  Result<int> rescued = rescue();
  if (!rescued) return rescued;
  auto forgotten = run(sql_.forget_dead_nodes, Parameters().text(options_.incarnation));
  if (!forgotten) return forgotten.error();
  return rescued;
}

Result<void> PostgresStore::renew() {
  const auto started = process_started(options_.pid);
  auto renewed = run(sql_.renew, Parameters()
                                     .text(options_.incarnation)
                                     .text(options_.host)
                                     .number(options_.pid)
                                     .text(machine())
                                     .text_or_null(started ? std::optional(std::to_string(*started))
                                                           : std::nullopt)
                                     .number(options_.lease_ms));
  if (!renewed) return renewed.error();
  return {};
}

// Ends the lease of nodes of this machine whose process is gone, so that nobody waits for it.
Result<void> PostgresStore::bury_dead_processes() {
  auto others = run(sql_.other_nodes, Parameters().text(options_.incarnation));
  if (!others) return others.error();
  for (int row = 0; row < others->rows(); ++row) {
    ProcessMark process{std::string(others->text(row, 1)), others->number(row, 2), {}};
    if (!others->is_null(row, 3)) process.started = others->number(row, 3);
    if (!is_provably_gone(process)) continue;
    auto buried = run(sql_.bury, Parameters().text(others->uuid(row, 0)));
    if (!buried) return buried.error();
  }
  return {};
}

// Takes the jobs of dead nodes back; returns how many.
Result<int> PostgresStore::rescue() {
  std::vector<std::string> backends;
  std::vector<std::int64_t> crashes_max;
  std::vector<std::optional<std::int64_t>> retentions;
  for (const auto& [backend, crashes] : options_.crashes_max) {
    const auto retention_us = options_.failed_retention_us.find(backend);
    const bool is_kept = retention_us == options_.failed_retention_us.end();
    backends.push_back(backend);
    crashes_max.push_back(crashes);
    retentions.push_back(is_kept ? std::nullopt : retention_us->second);
  }
  int rescued = 0;
  for (;;) {
    auto taken = run(sql_.rescue, Parameters()
                                      .text(options_.incarnation)
                                      .number(kRescueRowsMax)
                                      .texts(backends)
                                      .numbers(crashes_max)
                                      .numbers_or_nulls(retentions)
                                      .number(options_.crashes_max_of_others)
                                      .text(kCrashedEntry)
                                      .text(kCrashedOnceEntry));
    if (!taken) return taken.error();
    rescued += taken->affected();
    if (taken->affected() < kRescueRowsMax) return rescued;
  }
}

}  // namespace corral::tasks
