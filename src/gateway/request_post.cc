#include "gateway/request_post.h"

#include <span>
#include <utility>
#include <vector>

#include "base/limits.h"

namespace corral::gateway {

using exec::Finding;

// --- the thread

void RequestPost::begin(http::Exchange exchange) {
  exchange_ = std::move(exchange);
  begin_turn();
}

void RequestPost::remember() { remember(exchange_, own_turn(), "its response"); }

void RequestPost::end(interp::Attached& attached) {
  if (end_turn(attached) == Written::record) write_end();
  ending_.clear();
}

// --- the watcher

void RequestPost::take(const Finding& finding) {
  expired_ = std::move(exchange_);
  if (expired_) remember(expired_, finding.turn, expired_.started() ? "a cut response" : "504");
}

// Without a request the response is complete, and the application works on behind it.
void RequestPost::taken() {
  http::Exchange expired = std::move(expired_);
  if (expired) expired.expire();
}

void RequestPost::note(const Finding& finding) {
  if (exchange_) remember(exchange_, finding.turn, {});
}

// With the right to the request in hand.
void RequestPost::remember(const http::Exchange& exchange, std::uint64_t turn,
                           std::string_view client_gets) {
  const http::Request& request = exchange.request();
  std::lock_guard lock(mutex_);
  facts_.turn = turn;
  facts_.method = request.method;
  facts_.target = request.target;
  facts_.request_id = request.request_id;
  facts_.started_ns = request.started_ns;
  facts_.client_gets = client_gets;
}

// --- records

RequestPost::Facts RequestPost::facts(std::uint64_t turn) {
  std::lock_guard lock(mutex_);
  return facts_.turn == turn ? facts_ : Facts{};
}

void RequestPost::write_finding(const Finding& finding, std::string_view name,
                                std::string_view text) {
  const Facts facts = this->facts(finding.turn);
  std::vector<LogField> fields{{"thread", finding.thread}, {"ran_ms", finding.ran_ms}};
  if (facts.turn != 0) {
    fields.insert(
        fields.begin(),
        {{"method", facts.method}, {"target", facts.target}, {"request_id", facts.request_id}});
    if (finding.kind != Finding::Kind::slow) fields.emplace_back("client_gets", facts.client_gets);
  }
  fields.emplace_back(name, text);
  const std::span<const LogField> all(fields);
  switch (finding.kind) {
    case Finding::Kind::slow:
      return log_.info("a request is slow; this is where it is", all);
    case Finding::Kind::overdue:
      return log_.write(LogLevel::warning, limit_code(Limit::request_time),
                        limit_row(Limit::request_time).message, all);
    case Finding::Kind::stubborn:
      return log_.info("a request goes on although it was interrupted; it is interrupted again",
                       all);
  }
}

// It says how long the request took from the end of its head on, as the access log does.
void RequestPost::write_end() {
  const Facts facts = this->facts(own_turn());
  std::vector<LogField> fields;
  if (facts.turn != 0) {
    fields = {{"method", facts.method},
              {"target", facts.target},
              {"request_id", facts.request_id},
              {"duration_ms", (monotonic_ns() - facts.started_ns) / 1'000'000}};
  }
  if (!ending_.empty()) fields.emplace_back("ending", ending_);
  log_.info(
      ending_.empty() ? "a slow request has ended" : "a request that was broken off has ended",
      std::span<const LogField>(fields));
}

}  // namespace corral::gateway
