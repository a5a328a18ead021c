// Accepting: which process does, how many connections, and what becomes of those beyond a limit.
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "http/listener.h"
#include "http/server.h"

namespace corral::http {
namespace {

constexpr Milliseconds kAcceptPauseMs = 100;
// When connections have waited for so long without a pause, no process is free: then a busy one
// accepts them all the same, to wait in its queue, where they get an answer: their turn, a 503, or
// the health check's. A free process needs no more than the machine needs to run its thread.
constexpr Milliseconds kPatienceMs = 100;
constexpr int kAcceptsPerLook = 16;

}  // namespace

// Of shared sockets one connection at a time. The kernel asks the process that has waited longest
// first: who has taken one goes to the end of that line.
void Server::accept_some(Listener& listener) {
  if (!is_shared()) {
    accept_up_to(listener.endpoint(), kAcceptsPerTurn);
    return;
  }
  if (!accepting_) return;
  accept_up_to(listener.endpoint(), 1);
  if (!accepting_) return;
  loop_->remove(listener.endpoint().fd.get());
  listen(listener);
}

// While the standby polls. An accepted connection that has been read cannot be passed on any more:
// while no thread of this process is about to be free, connections are left to the others.
void Server::mind_occupation() {
  has_no_thread_ = !polling_->has_idle_worker();
  if (!polling_->is_occupied()) return stop_standing_back();
  become_occupied(true);
  if (accepting_) {
    standing_back_ = true;
    stop_listening();
  }
  if (standing_back_) accept_what_nobody_wants();
  mind_deferred();
}

void Server::end_occupation() {
  has_no_thread_ = false;
  stop_standing_back();
}

void Server::stop_standing_back() {
  become_occupied(false);
  go_on_with_deferred();
  if (std::exchange(standing_back_, false)) resume_accepting();
}

void Server::accept_what_nobody_wants() {
  const Milliseconds now_ms = monotonic_ms();
  if (now_ms < next_look_ms_) return;
  const bool is_news = now_ms > next_look_ms_ + kPatienceMs;  // nobody looked for a while
  next_look_ms_ = now_ms + kLookMs;
  const bool is_waiting = std::any_of(listeners_.begin(), listeners_.end(), [](auto& listener) {
    return net::is_readable(listener->endpoint().fd.get());
  });
  if (!is_waiting || waiting_since_ms_ == 0 || is_news) waiting_since_ms_ = is_waiting ? now_ms : 0;
  if (!is_waiting || now_ms - waiting_since_ms_ < kPatienceMs) return;
  for (auto& listener : listeners_) accept_up_to(listener->endpoint(), kAcceptsPerLook);
}

void Server::stop_listening() {
  if (!std::exchange(accepting_, false)) return;
  for (auto& listener : listeners_) loop_->remove(listener->endpoint().fd.get());
}

void Server::listen(Listener& listener) {
  // Several processes may share the socket: only one of them is woken, unless that might be one
  // that does not react.
  const std::uint32_t events = EPOLLIN | (is_one_silent_ ? 0u : std::uint32_t{EPOLLEXCLUSIVE});
  if (loop_->add(listener.endpoint().fd.get(), events, listener)) return;
  log_.error(303, "cannot watch a listening socket; its connections are not accepted",
             {{"errno", errno}});
}

// False when it ended before the accept queue was empty.
bool Server::accept_up_to(Endpoint& endpoint, int count) {
  const int fd = endpoint.fd.get();
  for (; count > 0; --count) {
    if (connections_.size() >= limits_.connections_max) {
      if (!net::has_waiting(fd)) return true;
      if (!find_room("the connection limit is reached")) return false;
    }
    net::Accepted accepted;
    switch (net::accept_one(fd, accepted)) {
      case net::AcceptStatus::empty:
        return true;
      case net::AcceptStatus::failed:
        continue;
      case net::AcceptStatus::exhausted:
        if (!net::has_waiting(fd)) return true;
        if (!find_room("no descriptor or memory for another connection")) return false;
        continue;
      case net::AcceptStatus::accepted:
        break;
    }
    add_one(counters_.accepted);
    const auto sibling = inbox_ ? siblings_->choose_for_new() : std::nullopt;
    if (!try_pass(sibling, accepted.fd.get(), {endpoint.index, 0}))
      adopt(endpoint, std::move(accepted), 0);
  }
  return false;
}

// For one that waits to be accepted. False, and accepting is paused, when none can be closed for
// it.
bool Server::find_room(const char* reason) {
  if (make_room()) return true;
  pause_accepting(reason);
  return false;
}

// Level-triggered listeners would be reported again and again: they leave the loop until a
// connection ends, or the pause is over.
void Server::pause_accepting(const char* reason) {
  if (!accepting_ && !standing_back_) return;
  paused_until_ms_ = monotonic_ms() + kAcceptPauseMs;
  standing_back_ = false;
  stop_listening();
  const LogField fields[] = {{"reason", reason}, {"connections", connections_.size()}};
  limit_log_.note(Limit::connections, {}, std::span<const LogField>(fields));
}

void Server::resume_accepting() {
  if (accepting_ || draining()) return;
  accepting_ = true;
  paused_until_ms_ = 0;
  for (auto& listener : listeners_) listen(*listener);
}

}  // namespace corral::http
