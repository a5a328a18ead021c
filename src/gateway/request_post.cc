#include "gateway/request_post.h"

#include <Python.h>

#include <span>
#include <thread>

#include "base/limits.h"
#include "gateway/thread_stack.h"
#include "interp/thread_control.h"

namespace corral::gateway {

using exec::Finding;

// --- the thread

void RequestPost::begin(http::Exchange exchange) {
  exchange_ = std::move(exchange);
  turn_ += 1U << kStateBits;
  word_.store(turn_ | kOpen, std::memory_order_release);
  ring();
}

bool RequestPost::hold() {
  if (is_held()) return true;
  std::uint64_t found = turn_ | kOpen;
  while (!word_.compare_exchange_weak(found, turn_ | kHeld, std::memory_order_acq_rel)) {
    if ((found & kStateMask) == kTaken) return false;
    if ((found & kStateMask) == kTaking) std::this_thread::yield();
    found = turn_ | kOpen;
  }
  return true;
}

void RequestPost::remember() { remember(exchange_, turn_ >> kStateBits, "its response"); }

void RequestPost::shield(interp::Attached& attached) {
  is_shielded_ = true;
  if (is_interrupted_) interp::clear_interrupt(attached);
}

void RequestPost::raise_interruption() const { PyErr_SetNone(interruption_.get()); }

void RequestPost::end(interp::Attached& attached) {
  hold();  // or it is taken: in no case is anybody at it now
  word_.store(0, std::memory_order_release);
  if (std::exchange(is_interrupted_, false)) interp::clear_interrupt(attached);
  if (std::exchange(is_written_, false)) write_end();
  is_stubborn_ = is_shielded_ = false;
  ending_.clear();
}

// --- the watcher

bool RequestPost::is_timed() const {
  return (word_.load(std::memory_order_acquire) & kStateMask) != kHeld;
}

bool RequestPost::expire(const Finding& finding) {
  std::uint64_t found = finding.turn << kStateBits | kOpen;
  const std::uint64_t turn = found;
  if (!word_.compare_exchange_strong(found, turn | kTaking, std::memory_order_acq_rel))
    return found >> kStateBits != finding.turn;
  expired_turn_.store(finding.turn, std::memory_order_relaxed);
  http::Exchange taken = std::move(exchange_);
  if (taken) remember(taken, finding.turn, taken.started() ? "a cut response" : "504");
  word_.store(turn | kTaken, std::memory_order_release);
  // Without one the response is complete, and the application works on behind it.
  if (taken) taken.expire();
  return true;
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

void RequestPost::report_unseen(const Finding& finding, std::string_view why) {
  // It may have ended just in time, so that there was nothing to expire.
  const bool is_over_time = expired_turn_.load(std::memory_order_relaxed) == finding.turn;
  if (finding.kind == Finding::Kind::slow ||
      (finding.kind == Finding::Kind::overdue && is_over_time))
    write_finding(finding, "no_stack", why);
}

// The thread is looked at and interrupted before any Python code runs here: it is still in the
// turn, and where it is said to be.
bool RequestPost::report(interp::Attached& attached, const interp::PythonThread& thread,
                         const Finding& finding) {
  if (turn() != finding.turn) return false;
  const std::vector<StackLine> lines = look_at_stack(attached, thread);
  if (finding.kind == Finding::Kind::slow) {
    const std::uint64_t turn = finding.turn << kStateBits;
    std::uint64_t found = turn | kOpen;
    if (word_.compare_exchange_strong(found, turn | kTaking, std::memory_order_acq_rel)) {
      if (exchange_) remember(exchange_, finding.turn, {});
      word_.store(turn | kOpen, std::memory_order_release);
    }
  } else {
    if (!is_shielded_) interp::interrupt(attached, thread, interruption_.get());
    is_interrupted_ = true;
    relieve();
  }
  is_written_ = true;
  if (finding.kind != Finding::Kind::stubborn || !std::exchange(is_stubborn_, true))
    write_finding(finding, "stack", format_stack(attached, lines));
  return true;
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
  const std::uint64_t turn = turn_ >> kStateBits;
  const Facts facts = this->facts(turn);
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
