// Outcomes on their way into the table.
#include <algorithm>

#include "base/clock.h"
#include "base/json.h"
#include "tasks/postgres_store.h"

namespace corral::tasks {
namespace {

// A statement, and a row, of at most so many bytes; the server takes 1 GB.
constexpr std::size_t kBatchBytesMax = 64 * 1024 * 1024;
constexpr std::size_t kRowBytesMax = 256 * 1024 * 1024;
constexpr std::size_t kRowOverheadBytes = 200;

constexpr std::string_view kTaskExecutionError = "corral.exceptions.TaskExecutionError";
constexpr std::string_view kTaskCancelled = "corral.exceptions.TaskCancelled";
constexpr int kCancelledRowsMax = 500;

// An entry for a failure that no Python exception of the task stands behind
// (records.plain_error).
std::string plain_error(std::string_view class_path, std::string_view message) {
  std::string out = "{\"exception_class_path\":";
  append_json_quoted(out, class_path);
  out += ",\"message\":";
  append_json_quoted(out, message);
  out += ",\"traceback\":";
  append_json_quoted(out, std::string(class_path) + ": " + std::string(message) + "\n");
  return out + "}";
}

std::int64_t us_from_now(std::int64_t then_ns, std::int64_t now_ns) {
  return std::min<std::int64_t>((then_ns - now_ns) / 1'000, 0);
}

// Nothing for null, that is for ever.
std::optional<std::int64_t> retention_us(const Json& seconds) {
  constexpr double kMost = 1e18;
  const auto number = seconds.number();
  if (!number) return std::nullopt;
  return static_cast<std::int64_t>(std::clamp(*number * 1e6, 0.0, kMost));
}

}  // namespace

std::size_t PostgresStore::Finished::bytes() const {
  std::size_t sum = kRowOverheadBytes;
  for (const auto& text : {return_value, errors, error, worker_ids}) sum += text ? text->size() : 0;
  return sum;
}

Result<int> PostgresStore::finish(std::span<const Outcome> outcomes) {
  std::vector<Finished> rows;
  rows.reserve(outcomes.size());
  int written = 0;
  std::size_t bytes = 0;
  const auto flush = [&]() -> Result<void> {
    auto count = write(rows);
    if (!count) return count.error();
    written += *count;
    rows.clear();
    bytes = 0;
    return {};
  };
  for (const Outcome& outcome : outcomes) {
    Finished row = finished_from(outcome);
    if (row.bytes() > kRowBytesMax) {
      row = refused(row, "it has " + std::to_string(row.bytes()) + " bytes, the database takes " +
                             std::to_string(kRowBytesMax));
    }
    if (!rows.empty() && bytes + row.bytes() > kBatchBytesMax) {
      if (auto flushed = flush(); !flushed) return flushed.error();
    }
    bytes += row.bytes();
    rows.push_back(std::move(row));
  }
  if (!rows.empty()) {
    if (auto flushed = flush(); !flushed) return flushed.error();
  }
  for (const Outcome& outcome : outcomes) held_.erase({outcome.id, outcome.lease});
  return static_cast<int>(outcomes.size()) - written;
}

// What records.is_outcome() says is an outcome; else the engine speaks for an attempt that gave no
// answer.
PostgresStore::Finished PostgresStore::finished_from(const Outcome& outcome) {
  const auto json = Json::parse(outcome.result);
  const auto members = json ? json->members() : std::nullopt;
  Finished row{.id = outcome.id, .lease = outcome.lease, .retention_us = kNotAsked};
  std::optional<std::int64_t> began_ns, ended_ns;
  for (const auto& [name, value] : members.value_or(std::vector<Json::Member>{})) {
    if (name == "retention") row.retention_us = retention_us(value);
    if (value.is_null()) continue;
    if (name == "began") began_ns = value.integer();
    if (name == "ended") ended_ns = value.integer();
    if (name == "retry_in") row.retry_us = value.integer();
    if (name == "return_value") row.return_value = value.string();
    if (name == "errors") row.errors = value.string();
    if (name == "error") row.error = std::string(value.text());
    if (name == "worker_ids") row.worker_ids = value.string();
  }
  if (!began_ns || !ended_ns) {
    row = Finished{.id = outcome.id, .lease = outcome.lease};
    return failed(std::move(row),
                  outcome.result.empty() ? "the attempt gave no answer" : outcome.result);
  }
  const std::int64_t now_ns = monotonic_ns();
  row.began_us = us_from_now(*began_ns, now_ns);
  if (row.retry_us) {
    row.status = "READY";
    return row;
  }
  row.status = outcome.status == JobStatus::successful ? "SUCCESSFUL" : "FAILED";
  row.ended_us = us_from_now(*ended_ns, now_ns);
  return row;
}

// `row` with `message` for what became of it.
PostgresStore::Finished PostgresStore::failed(Finished row, std::string_view message) {
  Finished failed{.id = std::move(row.id), .lease = row.lease, .status = "FAILED"};
  failed.began_us = row.began_us;
  failed.ended_us = row.ended_us.value_or(0);
  failed.retention_us = kNotAsked;
  failed.error = plain_error(kTaskExecutionError, message);
  return failed;
}

PostgresStore::Finished PostgresStore::refused(const Finished& row, const std::string& reason) {
  return failed(row, "the outcome could not be stored: " + reason);
}

// A refused row does not hold up the others.
Result<int> PostgresStore::write(std::span<const Finished> rows) {
  Result<int> written = write_once(rows);
  if (written || !session_ || !session_->refused_values()) return written;
  if (rows.size() == 1) {
    const Finished failed = refused(rows.front(), written.error().message);
    return write_once({&failed, 1});
  }
  int sum = 0;
  for (const Finished& row : rows) {
    Result<int> one = write({&row, 1});
    if (!one) return one;
    sum += *one;
  }
  return sum;
}

Result<int> PostgresStore::write_once(std::span<const Finished> rows) {
  std::vector<std::string> ids, statuses;
  std::vector<std::int64_t> leases, began;
  std::vector<std::optional<std::int64_t>> ended, retry, retention;
  std::vector<std::optional<std::string>> values, errors, error, workers;
  for (const Finished& row : rows) {
    if (!is_uuid(row.id)) continue;  // late, as it can be no row's
    ids.push_back(row.id);
    leases.push_back(row.lease);
    statuses.push_back(row.status);
    began.push_back(row.began_us);
    ended.push_back(row.ended_us);
    retry.push_back(row.retry_us);
    retention.push_back(row.retention_us);
    values.push_back(row.return_value);
    errors.push_back(row.errors);
    error.push_back(row.error);
    workers.push_back(row.worker_ids);
  }
  const auto [backends, retentions] = failed_retentions();
  auto answer = run(sql_.finish, Parameters()
                                     .uuids(ids)
                                     .numbers(leases)
                                     .texts(statuses)
                                     .numbers(began)
                                     .numbers_or_nulls(ended)
                                     .numbers_or_nulls(retry)
                                     .numbers_or_nulls(retention)
                                     .texts_or_nulls(values)
                                     .texts_or_nulls(errors)
                                     .texts_or_nulls(error)
                                     .texts_or_nulls(workers)
                                     .texts(backends)
                                     .numbers_or_nulls(retentions));
  if (!answer) return answer.error();
  return answer->affected();
}

std::pair<std::vector<std::string>, std::vector<std::optional<std::int64_t>>>
PostgresStore::failed_retentions() const {
  std::vector<std::string> backends;
  std::vector<std::optional<std::int64_t>> retentions;
  for (const auto& [backend, kept_us] : options_.failed_retention_us) {
    backends.push_back(backend);
    retentions.push_back(kept_us);
  }
  return {std::move(backends), std::move(retentions)};
}

Result<std::vector<Store::Held>> PostgresStore::cancelled() {
  const auto [backends, retentions] = failed_retentions();
  const std::string entry = plain_error(kTaskCancelled, "it was cancelled while it waited");
  auto answer = run(sql_.cancelled, Parameters()
                                        .text(options_.incarnation)
                                        .number(kCancelledRowsMax)
                                        .text(entry)
                                        .texts(backends)
                                        .numbers_or_nulls(retentions));
  if (!answer) return answer.error();
  std::vector<Held> ours;
  for (int row = 0; row < answer->rows(); ++row)
    ours.push_back({answer->uuid(row, 0), answer->number(row, 1)});
  return ours;
}

Result<int> PostgresStore::prune(int limit) {
  auto answer = run(sql_.prune, Parameters().number(limit));
  if (!answer) return answer.error();
  return answer->affected();
}

}  // namespace corral::tasks
