#include "tasks/memory_store.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace corral::tasks {
namespace {

// The number behind `"name":` in an outcome, if there is one.
std::optional<std::int64_t> find_number(std::string_view json, std::string_view name) {
  const std::size_t at = json.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t digits = json.find_first_not_of("\": ", at + name.size());
  std::int64_t number = 0;
  if (digits == std::string_view::npos) return std::nullopt;
  const auto parsed = std::from_chars(json.data() + digits, json.data() + json.size(), number);
  if (parsed.ec != std::errc{}) return std::nullopt;
  return number;
}

}  // namespace

std::string MemoryDatabase::enqueue(NewJob job) {
  std::lock_guard lock(mutex_);
  const std::uint64_t age = ++version_;
  Row row;
  row.id = "job-" + std::to_string(age);
  row.age = age;
  row.queue = std::move(job.queue);
  row.payload = std::move(job.payload);
  row.priority = job.priority;
  row.at_most_once = job.at_most_once;
  row.due_at_ms = clock_() + job.delay_ms;
  const std::string id = row.id;
  Row& kept = rows_.emplace(id, std::move(row)).first->second;
  waiting_.emplace(place_of(kept), &kept);
  return id;
}

void MemoryDatabase::pause(const std::string& queue, Milliseconds span_ms) {
  std::lock_guard lock(mutex_);
  paused_[queue] = span_ms < 0 ? -1 : clock_() + span_ms;
  ++version_;
}

void MemoryDatabase::resume(const std::string& queue) {
  std::lock_guard lock(mutex_);
  paused_.erase(queue);
  ++version_;
}

void MemoryDatabase::cancel(const std::string& id) {
  std::lock_guard lock(mutex_);
  rows_.at(id).is_cancelled = true;
  ++version_;
}

std::vector<Store::Held> MemoryDatabase::cancelled(const std::string& node) {
  std::lock_guard lock(mutex_);
  std::vector<Store::Held> ours;
  for (auto& [id, row] : rows_) {
    if (!row.is_cancelled) continue;
    if (row.status == RowStatus::running && row.node == node) ours.push_back({id, row.lease});
    if (row.status != RowStatus::ready) continue;
    waiting_.erase(place_of(row));
    row.status = RowStatus::failed;
    row.result = R"({"error": "TaskCancelled"})";
    ++version_;
  }
  return ours;
}

Milliseconds MemoryDatabase::wait_ms(const Row& row, Milliseconds now_ms) const {
  if (row.is_cancelled) return -1;
  const Milliseconds due_ms = std::max<Milliseconds>(row.due_at_ms - now_ms, 0);
  const auto paused = paused_.find(row.queue);
  if (paused == paused_.end()) return due_ms;
  return paused->second < 0 ? -1 : std::max(due_ms, paused->second - now_ms);
}

std::optional<Row> MemoryDatabase::find(const std::string& id) const {
  std::lock_guard lock(mutex_);
  const auto found = rows_.find(id);
  if (found == rows_.end()) return std::nullopt;
  return found->second;
}

int MemoryDatabase::count(RowStatus status) const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(rows_.begin(), rows_.end(), [&](const auto& entry) {
    return entry.second.status == status;
  }));
}

bool MemoryDatabase::has_node(const std::string& node) const {
  std::lock_guard lock(mutex_);
  return nodes_.contains(node);
}

std::uint64_t MemoryDatabase::version() const {
  std::lock_guard lock(mutex_);
  return version_;
}

int MemoryDatabase::join(const std::string& node, Milliseconds lease_ms,
                         const std::set<std::pair<std::string, std::int64_t>>& known) {
  std::lock_guard lock(mutex_);
  renew(node, lease_ms);
  for (auto& [id, row] : rows_) {
    const bool is_ours = row.status == RowStatus::running && row.node == node;
    if (is_ours && !known.contains({id, row.lease})) put_back(row);
  }
  return rescue();
}

int MemoryDatabase::beat(const std::string& node, Milliseconds lease_ms) {
  std::lock_guard lock(mutex_);
  renew(node, lease_ms);
  return rescue();
}

void MemoryDatabase::renew(const std::string& node, Milliseconds lease_ms) {
  nodes_[node] = clock_() + lease_ms;
}

// Jobs of nodes whose lease has ended, or whose row is gone, are charged with a crash.
int MemoryDatabase::rescue() {
  const Milliseconds now_ms = clock_();
  std::erase_if(nodes_, [&](const auto& node) { return node.second <= now_ms; });
  int rescued = 0;
  for (auto& [id, row] : rows_) {
    if (row.status != RowStatus::running || nodes_.contains(row.node)) continue;
    ++rescued;
    ++row.crashes;
    if (row.crashes < kCrashesMax && !row.at_most_once) {
      put_back(row);
      continue;
    }
    row.status = RowStatus::failed;
    row.node.clear();
    row.result = R"({"error": "WorkerCrashed"})";
    ++version_;
  }
  return rescued;
}

// As if never claimed, but for the lease: the attempt that held it must not finish the next one.
void MemoryDatabase::put_back(Row& row) {
  row.status = RowStatus::ready;
  row.node.clear();
  --row.attempts;
  waiting_.emplace(place_of(row), &row);
  ++version_;
}

// Up to `count_max` rows that are due, to each queue its share.
std::vector<Row*> MemoryDatabase::next_rows(std::size_t count_max, bool wants_suspect,
                                            const Shares& shares) {
  const Milliseconds now_ms = clock_();
  std::map<std::string, std::int64_t> ahead;
  std::vector<std::pair<std::int64_t, Row*>> tagged;  // in the order of priority
  for (const auto& [place, row] : waiting_) {
    if ((row->crashes > 0) != wants_suspect || wait_ms(*row, now_ms) != 0) continue;
    auto& tag = ahead.try_emplace(row->queue, shares.ahead(row->queue)).first->second;
    tagged.emplace_back(tag, row);
    tag += shares.step(row->queue);
  }
  std::stable_sort(tagged.begin(), tagged.end(),
                   [](const auto& one, const auto& two) { return one.first < two.first; });
  tagged.resize(std::min(tagged.size(), count_max));
  std::vector<Row*> rows;
  for (const auto& [tag, row] : tagged) rows.push_back(row);
  std::sort(rows.begin(), rows.end(),
            [](const Row* one, const Row* two) { return place_of(*one) < place_of(*two); });
  return rows;
}

Claim MemoryDatabase::claim(const std::string& node, int limit, Store::Suspects suspects,
                            Shares& shares) {
  std::lock_guard lock(mutex_);
  const bool wants_suspect = suspects == Store::Suspects::one;
  const std::size_t count_max =
      static_cast<std::size_t>(wants_suspect ? std::min(limit, 1) : limit);
  const Milliseconds now_ms = clock_();
  Claim claim;
  std::map<std::string, std::int64_t> claimed;
  for (Row* row : next_rows(count_max, wants_suspect, shares)) {
    waiting_.erase(place_of(*row));
    row->status = RowStatus::running;
    row->node = node;
    ++row->lease;
    ++row->attempts;
    ++version_;
    ++claimed[row->queue];
    claim.jobs.push_back(
        Job{row->id, row->lease, row->queue, row->crashes, row->payload, row->at_most_once});
  }
  shares.note(claimed);
  for (const auto& [place, row] : waiting_) {
    if ((row->crashes > 0) != wants_suspect) continue;
    const Milliseconds due_ms = wait_ms(*row, now_ms);
    if (due_ms < 0) continue;
    if (claim.next_due_ms < 0 || due_ms < claim.next_due_ms) claim.next_due_ms = due_ms;
  }
  return claim;
}

Row* MemoryDatabase::find_running(const std::string& id, std::int64_t lease) {
  const auto found = rows_.find(id);
  if (found == rows_.end()) return nullptr;
  Row& row = found->second;
  return row.status == RowStatus::running && row.lease == lease ? &row : nullptr;
}

int MemoryDatabase::finish(std::span<const Outcome> outcomes) {
  std::lock_guard lock(mutex_);
  int late = 0;
  for (const Outcome& outcome : outcomes) {
    Row* row = find_running(outcome.id, outcome.lease);
    if (!row) {
      ++late;
      continue;
    }
    end(*row, outcome);
    ++version_;
  }
  return late;
}

void MemoryDatabase::end(Row& row, const Outcome& outcome) {
  row.result = outcome.result;
  row.node.clear();
  if (outcome.status == JobStatus::retry) {
    row.status = RowStatus::ready;
    row.due_at_ms = clock_() + find_number(outcome.result, "\"retry_in\"").value_or(0) / 1000;
    waiting_.emplace(place_of(row), &row);
    return;
  }
  row.status = outcome.status == JobStatus::successful ? RowStatus::successful : RowStatus::failed;
  const auto retention_s = find_number(outcome.result, "\"retention\"");
  if (retention_s) row.prune_at_ms = clock_() + *retention_s * 1000;
}

int MemoryDatabase::prune(int limit) {
  std::lock_guard lock(mutex_);
  const Milliseconds now_ms = clock_();
  int pruned = 0;
  for (auto next = rows_.begin(); next != rows_.end() && pruned < limit;) {
    const auto here = next++;
    if (here->second.prune_at_ms < 0 || here->second.prune_at_ms > now_ms) continue;
    rows_.erase(here);
    ++version_;
    ++pruned;
  }
  return pruned;
}

void MemoryDatabase::release(std::span<const Job> jobs) {
  std::lock_guard lock(mutex_);
  for (const Job& job : jobs) {
    if (Row* row = find_running(job.id, job.lease)) put_back(*row);
  }
}

void MemoryDatabase::leave(const std::string& node) {
  std::lock_guard lock(mutex_);
  nodes_.erase(node);
}

Milliseconds MemoryDatabase::next_tick_ms() const {
  std::lock_guard lock(mutex_);
  if (!has_schedules_) return kNoSchedules;
  return tick_at_ms_ ? std::max<Milliseconds>(*tick_at_ms_ - clock_(), 0) : -1;
}

void MemoryDatabase::plan_tick(Milliseconds delay_ms) {
  std::lock_guard lock(mutex_);
  has_schedules_ = true;
  tick_at_ms_ = clock_() + delay_ms;
  ++version_;
}

bool MemoryDatabase::take_tick() {
  std::lock_guard lock(mutex_);
  const bool is_due = tick_at_ms_ && *tick_at_ms_ <= clock_();
  if (is_due) tick_at_ms_.reset();
  return is_due;
}

Result<int> MemoryStore::open() { return database_.join(options_.node, options_.lease_ms, known_); }

Result<Claim> MemoryStore::claim(int limit, Suspects suspects) {
  if (suspects == Suspects::none) seen_version_ = database_.version();
  Claim claim = database_.claim(options_.node, limit, suspects, shares_);
  if (std::exchange(loses_next_claim_, false))
    return Error{"the connection was lost before the answer"};
  for (const Job& job : claim.jobs) known_.emplace(job.id, job.lease);
  return claim;
}

Result<int> MemoryStore::finish(std::span<const Outcome> outcomes) {
  const int late = database_.finish(outcomes);
  for (const Outcome& outcome : outcomes) known_.erase({outcome.id, outcome.lease});
  return late;
}

Result<void> MemoryStore::release(std::span<const Job> jobs) {
  database_.release(jobs);
  for (const Job& job : jobs) known_.erase({job.id, job.lease});
  return {};
}

Result<int> MemoryStore::beat() { return database_.beat(options_.node, options_.lease_ms); }

Result<int> MemoryStore::prune(int limit) { return database_.prune(limit); }

// Counts this node's own writes too: one claim too many now and then, never one too few.
Result<bool> MemoryStore::changed() {
  const std::uint64_t version = database_.version();
  return std::exchange(seen_version_, version) != version;
}

void MemoryStore::close() { database_.leave(options_.node); }

}  // namespace corral::tasks
