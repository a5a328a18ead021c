// Bytes to request: reading, the head, admission.
#include <algorithm>
#include <array>
#include <cerrno>

#include "http/connection.h"
#include "http/response.h"
#include "http/server.h"

namespace corral::http {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
// A client that sends as fast as it is read must not keep the others waiting.
constexpr int kReadsPerTurn = 4;

// Read here first, so that an idle connection holds no buffer. Plain bytes, one a thread.
thread_local char read_buffer[kReadBytes];

}  // namespace

// Reads until the socket has nothing more (events are edge-triggered) or the connection is handed
// over.
Connection::Next Connection::read_and_proceed() {
  if (!input_.empty()) {
    const Next next = proceed();
    if (next != Next::wait || stage_ == Stage::writing) return next;
  }
  for (int reads = 0; reads < kReadsPerTurn; ++reads) {
    const std::span<char> direct = body_room();
    const ssize_t count = read_once(direct);
    if (count == 0)
      return Next::closed;  // an unfinished message is dropped: it never reaches the application
    if (count < 0) return errno == EAGAIN ? Next::wait : Next::closed;
    const auto bytes = static_cast<std::size_t>(count);
    const Next next =
        direct.empty()
            ? take({read_buffer, bytes})
            : take_direct(std::min(bytes, direct.size()),
                          {read_buffer, bytes > direct.size() ? bytes - direct.size() : 0});
    if (next != Next::wait || stage_ == Stage::writing) return next;
    if (stage_ == Stage::lingering) return discard_input();
    if (!may_be_unread()) return Next::wait;
  }
  return Next::again;
}

// Into `direct`, and what comes behind it into read_buffer: nothing, where more of the same body
// would.
ssize_t Connection::read_once(std::span<char> direct) {
  if (direct.empty()) {
    const ssize_t count = net::read_some(fd_.get(), read_buffer, kReadBytes);
    unread_ = static_cast<std::size_t>(count) == kReadBytes;
    return count;
  }
  const bool is_last = request_.content_length - request_.body.size == direct.size();
  const std::array<iovec, 2> parts{
      {{direct.data(), direct.size()}, {read_buffer, is_last ? kReadBytes : 0}}};
  const ssize_t count = net::read_some(fd_.get(), parts);
  unread_ = count >= 0 && static_cast<std::size_t>(count) == parts[0].iov_len + parts[1].iov_len;
  return count;
}

// What has been read goes into a body by the shortest way.
Connection::Next Connection::take(std::string_view bytes) {
  if (stage_ == Stage::body) return take_body(bytes);
  input_.append(bytes);
  return proceed();
}

// Whether bytes or the end of file may be in the socket that no further event will tell of: also
// when an event was used up by writing, and a request that was here already went to a worker.
bool Connection::may_be_unread() const {
  return unread_ || peer_ended_.load(std::memory_order_relaxed);
}

// After a response: a pipelined request may be here already.
Connection::Next Connection::go_on() { return may_be_unread() ? read_and_proceed() : proceed(); }

// Uses up `input_`: as many requests as are answered here, up to the first that goes to a worker.
Connection::Next Connection::proceed() {
  for (;;) {
    if (stage_ != Stage::idle && stage_ != Stage::head) return Next::wait;
    if (input_.empty()) return Next::wait;
    Next next = Next::wait;
    if (!take_head(next)) return next;
    std::string_view probe_body;
    int probe_status = 200;
    if (request_.framing == BodyFraming::none && is_probe(probe_body, probe_status)) {
      next = answer_plainly(probe_status, probe_body, {});
    } else {
      next = begin_body();
    }
    if (next != Next::wait) return next;
  }
}

// True when request_ holds a complete, accepted head; otherwise `next` says what to do.
bool Connection::take_head(Next& next) {
  if (stage_ == Stage::idle) {
    stage_ = Stage::head;
    set_deadline(server_.limits().header_time_max_ms);
    request_.reset();
    request_.started_ns = monotonic_ns();  // should it be refused before its head is complete
  }
  switch (finder_.find(input_)) {
    case HeadFinder::State::more:
      return false;
    case HeadFinder::State::refused:
      next = refuse(finder_.refusal());
      return false;
    case HeadFinder::State::found:
      break;
  }
  const std::size_t end = finder_.head_bytes();
  if (end == input_.size()) {
    request_.head.swap(input_);
    input_.clear();
  } else {
    request_.head.assign(input_, 0, end);
    input_.erase(0, end);
  }
  finder_.reset();
  first_request_ = false;
  ++requests_;
  if (is_last_request()) note(Limit::keep_alive_requests);
  request_.started_ns = monotonic_ns();
  if (const Refusal refusal = parse_head(request_, server_.limits())) {
    next = refuse(refusal);
    return false;
  }
  server_.request_ids().settle(request_, trust_);
  add_one(server_.counters().requests);
  return true;
}

// Answered without Python, so that ALLOWED_HOSTS and SSL redirects cannot break a probe.
bool Connection::is_probe(std::string_view& body, int& status) const {
  if (request_.method != "GET" && request_.method != "HEAD") return false;
  const std::string_view path = request_.raw_path;
  if (path == "/up" || path == "/livez") {
    body = "ok\n";
    return true;
  }
  if (path == "/readyz") {
    status = server_.draining() ? 503 : 200;
    body = server_.draining() ? "draining\n" : "ok\n";
    return true;
  }
  return false;
}

Connection::Next Connection::admit() {
  stage_ = Stage::responding;
  response_started_ = false;
  gave_up_ = false;
  body_bytes_ = 0;
  was_half_closed_ = peer_ended_.load(std::memory_order_relaxed);
  if (!shared_.load(std::memory_order_relaxed) && !outbox_.empty()) share_outbox();
  Exchange exchange(this);
  Server& server = server_;
  const dispatch::Admission admission = server.polling().push(exchange);
  if (admission == dispatch::Admission::admitted) {
    // This may have been answered and deleted already.
    server.refuse_overdue_if_any();
    return Next::handed_over;
  }
  exchange.connection_ = nullptr;  // refused: it is still ours
  return answer_busy(admission);
}

// After the response: whatever still arrives is read and thrown away, because closing with unread
// bytes would reset the connection and destroy a response on its way.
Connection::Next Connection::discard_input() {
  for (int reads = 0; reads < kReadsPerTurn; ++reads) {
    const ssize_t count = net::read_some(fd_.get(), read_buffer, kReadBytes);
    if (count == 0) return Next::closed;
    if (count < 0) return errno == EAGAIN ? Next::wait : Next::closed;
  }
  return monotonic_ms() < deadline_ms_ ? Next::again : Next::closed;
}

}  // namespace corral::http
