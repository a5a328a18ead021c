// A connection's time limits.
#include <algorithm>

#include "http/connection.h"
#include "http/server.h"

namespace corral::http {
namespace {

// A connection accepted while draining, or just before, that has not said anything: its request may
// be on the way.
constexpr Milliseconds kFirstRequestGraceMs = 500;
constexpr Milliseconds kDrainLingerMs = 300;

}  // namespace

void Connection::set_deadline(Milliseconds span_ms) { deadline_ms_ = monotonic_ms() + span_ms; }

void Connection::begin_body_time() {
  set_deadline(server_.limits().body_idle_max_ms);
  rate_.begin(monotonic_ms(), 0);
}

void Connection::begin_write_time() {
  set_deadline(server_.limits().write_stall_max_ms);
  rate_.begin(monotonic_ms(), outbox_.taken_bytes());
}

void Connection::on_tick(Milliseconds now_ms) {
  // Only this thread takes hold of a free connection, so a free one stays free while we look.
  if (token_.load(std::memory_order_acquire) != 0) return;
  if (server_.draining()) {
    if (stage_ == Stage::idle) {
      const Milliseconds grace_ms = first_request_ ? kFirstRequestGraceMs : 0;
      deadline_ms_ = std::min(deadline_ms_, now_ms + grace_ms);
    }
    if (stage_ == Stage::lingering) deadline_ms_ = std::min(deadline_ms_, now_ms + kDrainLingerMs);
  }
  if (!is_overdue(now_ms)) return;
  token_.store(kHeld, std::memory_order_relaxed);
  // What has come meanwhile may lie in the socket: a busy server is no fault of the client's.
  Next next = step();
  if (next == Next::wait && is_overdue(now_ms)) next = end_overdue(now_ms);
  settle(next);
}

bool Connection::is_overdue(Milliseconds now_ms) {
  const HttpLimits& limits = server_.limits();
  if (now_ms >= deadline_ms_) return true;
  if (stage_ == Stage::body) {
    return rate_.is_too_slow(now_ms, request_.body.size, limits.body_idle_max_ms,
                             limits.body_rate_min);
  }
  return stage_ == Stage::writing && is_write_too_slow(now_ms);
}

bool Connection::is_write_too_slow(Milliseconds now_ms) {
  const HttpLimits& limits = server_.limits();
  return rate_.is_too_slow(now_ms, outbox_.taken_bytes(), limits.write_stall_max_ms,
                           limits.write_rate_min);
}

Connection::Next Connection::end_overdue(Milliseconds now_ms) {
  const bool is_silent = now_ms >= deadline_ms_;  // else too slow
  switch (stage_) {
    case Stage::head:
      return refuse({408, "the head did not arrive in time", Limit::header_time});
    case Stage::body:
      if (is_silent) return refuse({408, "the body stopped arriving", Limit::body_idle});
      return refuse({408, "the body arrived too slowly", Limit::body_rate});
    case Stage::writing:
      note(is_silent ? Limit::write_stall : Limit::write_rate);
      return Next::closed;
    case Stage::idle:
      if (!server_.draining()) note(Limit::keep_alive);
      return Next::closed;
    case Stage::responding:
    case Stage::lingering:
      break;
  }
  return Next::closed;
}

void Connection::note(Limit limit) { server_.limit_log().note(limit, peer_.host); }

}  // namespace corral::http
