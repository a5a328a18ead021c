// The heartbeat of this node, and what becomes of jobs whose node died.
//
// A node is dead when its process is provably gone on this machine, when it took its session along
// (docs/adr/0021), or when it has been silent for its lease time (witness.h). Its row is deleted,
// and jobs that are RUNNING under no row become READY again with one crash more, or FAILED when
// that makes max_crashes.
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

// --- lost sessions

// Behind a pooler or a proxy the session is not this process's own, so its end says nothing: there
// is no lock then, nor on a local socket, where the process itself can be seen.
Result<void> PostgresStore::take_lock() {
  const auto own = options_.keeps_session ? session_->local_address() : std::nullopt;
  if (!own) return {};
  auto locked =
      run(sql_.lock, Parameters().text(options_.incarnation).text(own->host).number(own->port));
  if (!locked) return locked.error();
  has_lock_ = locked->number(0, 0) != 0;
  return {};
}

Milliseconds PostgresStore::watch_interval_ms() const {
  return has_lock_ && has_company_ ? kWatchIntervalMs : 0;
}

// Forgets the nodes whose process took its session along when it ended.
Result<int> PostgresStore::watch() {
  auto peers = run(sql_.peers, Parameters().text(options_.incarnation));
  if (!peers) return peers.error();
  std::map<std::string, std::int64_t> lost;
  std::set<std::string> present;
  for (int row = 0; row < peers->rows(); ++row) {
    const std::string node = peers->uuid(row, 0);
    present.insert(node);
    if (has_lost_session(node, *peers, row)) lost.emplace(node, peers->number(row, 1));
  }
  std::erase_if(peers_, [&](const auto& peer) { return !present.contains(peer.first); });
  bool has_buried = false;
  for (const std::string& node : session_witness_.sees_dead(lost, monotonic_ms())) {
    auto buried = run(sql_.bury, Parameters().text(node).number(lost.at(node)));
    if (!buried) return buried.error();
    has_buried |= buried->affected() > 0;
  }
  return has_buried ? rescue() : 0;
}

// Only a client that went without a word counts. A session that the server ended, or that its node
// closed to open another one, has a living node behind it; so has a row that is renewed without the
// lock. In doubt the lease decides.
bool PostgresStore::has_lost_session(const std::string& node, const Answer& peers, int row) {
  const std::int64_t expires_at = peers.number(row, 1);
  const bool is_held = peers.number(row, 2) != 0;
  const std::int64_t abandoned = peers.number(row, 3);
  const std::int64_t ended = peers.number(row, 4);
  if (is_held) {
    peers_[node] = {abandoned, ended, std::nullopt};
    return false;
  }
  const auto seen = peers_.find(node);
  if (seen == peers_.end()) return false;
  Peer& peer = seen->second;
  if (!peer.expires_at) peer.expires_at = expires_at;
  if (*peer.expires_at != expires_at || peer.ended != ended) {
    peers_.erase(seen);
    return false;
  }
  return abandoned > peer.abandoned;
}

// --- rescue

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
