// The heartbeat of this node, and what becomes of jobs whose node died.
//
// A node is dead when its process is provably gone on this machine, or when it has been silent for
// its lease time (witness.h). Its row is deleted, and jobs that are RUNNING under no row become
// READY again with one crash more, or FAILED when that makes max_crashes.
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
  Result<bool> is_fresh = bury_dead_nodes();
  if (!is_fresh) return is_fresh.error();
  if (!*is_fresh) {
    if (Result<void> renewed = renew(); !renewed) return renewed.error();
  }
  return rescue();
}

Result<void> PostgresStore::renew() {
  const auto started = process_started(options_.pid);
  auto renewed =
      run(sql_.renew,
          Parameters()
              .text(options_.incarnation)
              .text(options_.host)
              .number(options_.pid)
              .text(machine())
              .text_or_null(started ? std::optional(std::to_string(*started)) : std::nullopt)
              .number(options_.lease_ms * Witness::kValidParts / Witness::kParts));
  if (!renewed) return renewed.error();
  return {};
}

// Forgets the nodes that are dead; a row that was renewed meanwhile stays. Returns whether this
// node's own row is there and needs no renewal yet.
Result<bool> PostgresStore::bury_dead_nodes() {
  // The keeper's beats are not exactly a part of the lease apart: not one beat later than meant.
  constexpr int kFreshHalves = 2 * (Witness::kValidParts - Witness::kRenewParts) + 1;
  const Milliseconds fresh_ms = options_.lease_ms * kFreshHalves / (2 * Witness::kParts);
  auto nodes = run(sql_.nodes, Parameters().number(fresh_ms));
  if (!nodes) return nodes.error();
  bool is_fresh = false;
  has_company_ = false;
  std::map<std::string, std::int64_t> over;
  std::vector<std::pair<std::string, std::int64_t>> dead;
  for (int row = 0; row < nodes->rows(); ++row) {
    const std::string node = nodes->uuid(row, 0);
    const std::int64_t expires_at = nodes->number(row, 4);
    if (node == options_.incarnation) {
      is_fresh = nodes->number(row, 6) != 0;
      continue;
    }
    has_company_ = true;
    ProcessMark process{std::string(nodes->text(row, 1)), nodes->number(row, 2), {}};
    if (!nodes->is_null(row, 3)) process.started = nodes->number(row, 3);
    if (is_provably_gone(process)) {
      dead.emplace_back(node, expires_at);
    } else if (nodes->number(row, 5) != 0) {
      over.emplace(node, expires_at);
    }
  }
  for (const std::string& node : witness_.sees_dead(over, monotonic_ms())) {
    dead.emplace_back(node, over.at(node));
  }
  for (const auto& [node, expires_at] : dead) {
    auto buried = run(sql_.bury, Parameters().text(node).number(expires_at));
    if (!buried) return buried.error();
  }
  return is_fresh;
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
