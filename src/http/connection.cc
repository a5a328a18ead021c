// Hold: who may touch the connection.
#include "http/connection.h"

#include <sys/epoll.h>

#include "http/response.h"
#include "http/server.h"

namespace corral::http {

Connection::Connection(Server& server, const Endpoint& endpoint, net::Accepted accepted,
                       std::uint32_t requests)
    : server_(server),
      endpoint_(endpoint),
      fd_(std::move(accepted.fd)),
      peer_(std::move(accepted.peer)),
      trust_(server.judge_peer(peer_)),
      first_request_(requests == 0),
      finder_(server.limits()),
      chunked_(server.limits()),
      requests_(requests) {
  set_deadline(server_.limits().header_time_max_ms);
}

Connection::~Connection() = default;

void Connection::on_events(std::uint32_t events) {
  // Said once only, and perhaps together with the last bytes: whoever reads them must go on to the
  // end of file.
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
    peer_ended_.store(true, std::memory_order_relaxed);
  if (token_.fetch_or(kHeld | kMarked) & kHeld) {
    if (shared_.load()) flush_shared_outbox();
    return;
  }
  token_.fetch_and(~kMarked, std::memory_order_relaxed);
  unread_ = true;
  if (server_.passes_on() && try_pass_on()) return;
  settle(step());
}

// To a sibling, where nothing of the next request has been read. Then this one is gone, or the
// server decides later; either way it stays held, and further events pass it by.
bool Connection::try_pass_on() {
  if (stage_ != Stage::idle || !input_.empty() || !outbox_.empty() ||
      peer_ended_.load(std::memory_order_relaxed))
    return false;
  const PassedNote note{endpoint_.index, static_cast<std::uint32_t>(requests_)};
  if (!server_.try_pass_on(fd(), note)) return server_.try_defer(*this);
  server_.drop(*this);
  return true;
}

bool Connection::try_pass_deferred(std::optional<std::size_t> sibling) {
  const PassedNote note{endpoint_.index, static_cast<std::uint32_t>(requests_)};
  if (!server_.try_pass(sibling, fd(), note)) return false;
  server_.drop(*this);
  return true;
}

// One look at the connection, whatever it is waiting for.
Connection::Next Connection::step() {
  switch (stage_) {
    case Stage::writing:
      return continue_writing();
    case Stage::lingering:
      return discard_input();
    default:
      // An interim response, or what was held back: the rest of the request may depend on it.
      if (!outbox_.empty() && outbox_.flush(fd_.get(), SIZE_MAX) == Outbox::Flush::failed)
        return Next::closed;
      return read_and_proceed();
  }
}

// The holder is done for now: it lets go, or looks again if something has happened meanwhile.
void Connection::settle(Next next) {
  for (;;) {
    switch (next) {
      case Next::handed_over:
        return;
      case Next::closed:
        return server_.end_connection(*this);
      case Next::again:  // still held, so nothing else can end it meanwhile
        return server_.post([this] { settle(step()); });
      case Next::wait:
        if (try_let_go()) return;
        next = step();
    }
  }
}

// A worker's request is over. A pipelined one that is already here is parsed and queued by it.
void Connection::go_on_after(Next next) {
  if (next == Next::wait && stage_ == Stage::idle) next = go_on();
  if (next == Next::handed_over) return;  // another worker may have ended the connection already
  settle(is_held_back_ ? end_holding_back(next) : next);
}

bool Connection::try_let_go() {
  std::uint32_t held = kHeld;
  if (token_.compare_exchange_strong(held, 0, std::memory_order_acq_rel)) return true;
  token_.fetch_and(~kMarked, std::memory_order_acquire);
  unread_ = true;
  return false;
}

}  // namespace corral::http
