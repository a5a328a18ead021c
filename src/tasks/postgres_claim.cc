// From rows to jobs, and back when they were not begun.
#include <array>
#include <cstdio>

#include "base/check.h"
#include "base/json.h"
#include "tasks/postgres_store.h"

namespace corral::tasks {
namespace {

// A deferred row that is due but was not claimed: it became due between two statements, or another
// node holds it.
constexpr Milliseconds kRecheckMs = 5;

// The columns of PostgresSql::claim().
enum Column {
  kId,
  kLease,
  kQueueName,
  kCrashes,
  kPriority,
  kTaskPath,
  kBackendName,
  kRunAfter,
  kEnqueuedAt,
  kStartedAt,
  kArgs,
  kKwargs,
  kErrors,
  kWorkerIds,
  kOptions,
  kAtMostOnce,
};

// A time as Python's isoformat() would write it, from the server's microseconds since 2000.
// Howard Hinnant's "days to civil".
std::string time_text(std::int64_t microseconds, std::string_view zone) {
  constexpr std::int64_t kDayUs = 86'400'000'000;
  constexpr std::int64_t kDaysFromEra = 730'425;  // from 0000-03-01 to 2000-01-01
  std::int64_t day = microseconds / kDayUs;
  std::int64_t rest = microseconds % kDayUs;
  if (rest < 0) {
    rest += kDayUs;
    --day;
  }
  const std::int64_t since = day + kDaysFromEra;
  const std::int64_t era = (since >= 0 ? since : since - 146'096) / 146'097;
  const std::int64_t of_era = since - era * 146'097;
  const std::int64_t year_of_era =
      (of_era - of_era / 1'460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * of_year + 2) / 153;  // months from March
  const std::int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  std::array<char, 64> text;
  const int size = std::snprintf(
      text.data(), text.size(), "\"%04d-%02d-%02dT%02d:%02d:%02d.%06d", static_cast<int>(year),
      static_cast<int>(month), static_cast<int>(of_year - (153 * shifted + 2) / 5 + 1),
      static_cast<int>(rest / 3'600'000'000), static_cast<int>(rest / 60'000'000 % 60),
      static_cast<int>(rest / 1'000'000 % 60), static_cast<int>(rest % 1'000'000));
  std::string out(text.data(), static_cast<std::size_t>(size));
  out += zone;
  out += '"';
  return out;
}

// What the runner needs, as JSON around the JSON texts of the row; store.py makes the same.
std::string payload_of(const Answer& answer, int row, std::string_view zone) {
  const auto time = [&](int column) {
    if (answer.is_null(row, column)) return std::string("null");
    return time_text(answer.number(row, column), zone);
  };
  std::string out;
  out.reserve(512 + answer.text(row, kArgs).size() + answer.text(row, kKwargs).size() +
              answer.text(row, kErrors).size());
  out += "{\"id\":\"";
  out += answer.uuid(row, kId);
  out += "\",\"task\":";
  append_json_quoted(out, answer.text(row, kTaskPath));
  out += ",\"backend\":";
  append_json_quoted(out, answer.text(row, kBackendName));
  out += ",\"queue\":";
  append_json_quoted(out, answer.text(row, kQueueName));
  out += ",\"priority\":" + std::to_string(answer.number(row, kPriority));
  out += ",\"crashes\":" + std::to_string(answer.number(row, kCrashes));
  out += ",\"run_after\":" + time(kRunAfter);
  out += ",\"enqueued_at\":" + time(kEnqueuedAt);
  out += ",\"started_at\":" + time(kStartedAt);
  out += ",\"args\":";
  out += answer.text(row, kArgs);
  out += ",\"kwargs\":";
  out += answer.text(row, kKwargs);
  out += ",\"errors\":";
  out += answer.text(row, kErrors);
  out += ",\"worker_ids\":";
  out += answer.text(row, kWorkerIds);
  out += ",\"options\":";
  out += answer.text(row, kOptions);
  out += '}';
  return out;
}

}  // namespace

Parameters PostgresStore::with_queues() const {
  Parameters parameters;
  if (queues_ == Queues::one) parameters.text(options_.queues->front());
  if (queues_ == Queues::several) parameters.texts(*options_.queues);
  return parameters;
}

void PostgresStore::add_shares(Parameters& parameters) const {
  std::vector<std::string> names;
  std::vector<std::int64_t> aheads;
  std::vector<std::int64_t> steps;
  shares_.for_each_special([&](const std::string& name, std::int64_t ahead, std::int64_t step) {
    names.push_back(name);
    aheads.push_back(ahead);
    steps.push_back(step);
  });
  parameters.texts(names).numbers(aheads).numbers(steps);
}

Result<Claim> PostgresStore::claim(int limit, Suspects suspects) {
  const bool wants_suspect = suspects == Suspects::one;
  if (wants_suspect) limit = std::min(limit, 1);
  auto parameters = with_queues();
  parameters.number(limit).text(options_.incarnation).text(label_);
  if (queues_ != Queues::one) add_shares(parameters);
  auto answer = run(sql_.claim(queues_, wants_suspect), parameters);
  if (!answer) return answer.error();
  if (std::exchange(loses_next_claim_, false)) {
    session_.reset();
    return Error{"the connection was lost before the answer"};
  }
  const std::string_view zone = options_.time_zone.empty() ? "+00:00" : "";
  Claim claim;
  std::map<std::string, std::int64_t> claimed;
  for (int row = 0; row < answer->rows(); ++row) {
    Job& job = claim.jobs.emplace_back();
    job.id = answer->uuid(row, kId);
    job.lease = answer->number(row, kLease);
    job.queue = answer->text(row, kQueueName);
    job.crashes = static_cast<int>(answer->number(row, kCrashes));
    job.payload = payload_of(*answer, row, zone);
    job.at_most_once = answer->number(row, kAtMostOnce) != 0;
    held_.emplace(job.id, job.lease);
    ++claimed[job.queue];
  }
  shares_.note(claimed);
  // A full batch is followed by another claim before the keeper sleeps.
  if (static_cast<int>(claim.jobs.size()) == limit) return claim;
  auto wait = wait_ms(wants_suspect);
  if (!wait) return wait.error();
  claim.next_due_ms = *wait;
  return claim;
}

// Until the first deferred row is due; -1: there is none.
Result<Milliseconds> PostgresStore::wait_ms(bool suspects) {
  auto answer = run(sql_.wait(queues_, suspects), with_queues());
  if (!answer) return answer.error();
  if (answer->is_null(0, 0)) return Milliseconds{-1};
  const std::int64_t wait_us = answer->number(0, 0);
  return wait_us > 0 ? (wait_us + 999) / 1'000 : kRecheckMs;
}

Result<void> PostgresStore::release(std::span<const Job> jobs) {
  std::vector<Key> keys;
  for (const Job& job : jobs) keys.emplace_back(job.id, job.lease);
  return release(keys);
}

Result<void> PostgresStore::release(std::span<const Key> keys) {
  if (keys.empty()) return {};
  std::vector<std::string> ids;
  std::vector<std::int64_t> leases;
  for (const auto& [id, lease] : keys) {
    ids.push_back(id);
    leases.push_back(lease);
  }
  auto released = run(sql_.release, Parameters().uuids(ids).numbers(leases));
  if (!released) return released.error();
  for (const Key& key : keys) held_.erase(key);
  return {};
}

}  // namespace corral::tasks
