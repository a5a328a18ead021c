#include "http/limit_log.h"

#include <span>
#include <vector>

namespace corral::http {
namespace {

constexpr LogLevel level_of(LimitSeverity severity) {
  switch (severity) {
    case LimitSeverity::usual:
      return LogLevel::debug;
    case LimitSeverity::client:
      return LogLevel::info;
    case LimitSeverity::capacity:
      break;
  }
  return LogLevel::warning;
}

}  // namespace

void LimitLog::note(Limit limit, std::string_view client, LogFields more) {
  const LimitRow& row = limit_row(limit);
  Counter& counter = counters_.of(limit);
  add_one(counter);
  const LogLevel level = level_of(row.severity);
  if (!log_.enabled(level)) return;
  Said& said = said_[static_cast<std::size_t>(limit)];
  const Milliseconds now_ms = monotonic_ms();
  Milliseconds next_ms = said.next_ms.load(std::memory_order_relaxed);
  if (now_ms < next_ms) return;
  if (!said.next_ms.compare_exchange_strong(next_ms, now_ms + kLimitLogPauseMs)) return;
  const std::uint64_t total = counter.load(std::memory_order_relaxed);
  const std::uint64_t before = said.count.exchange(total, std::memory_order_relaxed);
  std::vector<LogField> fields{{"limit", row.counter}, {"count", total - before}};
  if (!client.empty()) fields.emplace_back("client", client);
  fields.insert(fields.end(), more.begin(), more.end());
  log_.write(level, limit_code(limit), row.message, std::span<const LogField>(fields));
}

void LimitLog::summarize() {
  std::vector<LogField> fields;
  counters_.for_each([&](std::string_view name, std::uint64_t value) {
    if (value > 0) fields.emplace_back(name, value);
  });
  if (fields.empty()) return;
  log_.write(LogLevel::info, 0, "web counters at the end", std::span<const LogField>(fields));
}

}  // namespace corral::http
