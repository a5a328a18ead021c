// Passing connections to siblings, and taking in what they pass.
#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include "http/listener.h"
#include "http/server.h"

namespace corral::http {
namespace {

constexpr int kReceivesPerTurn = 64;
// So long a request that has not been read waits for a free thread, here or elsewhere, while every
// thread here is in a long one. Then it is read, since a health check or a 503 needs no thread.
constexpr Milliseconds kDeferMs = 300;

}  // namespace

void Server::adopt(const Endpoint& endpoint, net::Accepted accepted, std::uint32_t requests) {
  auto* connection = new Connection(*this, endpoint, std::move(accepted), requests);
  connections_.insert(connection);
  count_connections();
  constexpr std::uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  if (!loop_->add(connection->fd(), kEvents, *connection)) drop(*connection);
}

// True: what `fd` refers to is the sibling's now, and `fd` is to be closed.
bool Server::try_pass(std::optional<std::size_t> sibling, int fd, const PassedNote& note) {
  if (!sibling || !siblings_->pass(*sibling, fd, note)) return false;
  // It may have read its inbox for the last time between our choice and now.
  if (!siblings_->is_serving(*sibling)) take_back();
  return true;
}

bool Server::try_pass_on(int fd, const PassedNote& note) {
  if (!inbox_) return false;
  if (has_no_thread_ && try_pass(siblings_->claim_free(), fd, note)) return true;
  if (surplus_ == 0) return false;
  --surplus_;
  return try_pass(siblings_->choose_for_new(), fd, note);
}

// Once read, a request waits behind those that take long, whoever else becomes free meanwhile.
bool Server::try_defer(Connection& connection) {
  if (!inbox_ || !is_occupied_) return false;
  deferred_.push_back({&connection, monotonic_ms()});
  return true;
}

void Server::mind_deferred() {
  const Milliseconds now_ms = monotonic_ms();
  for (const Deferred& deferred : std::exchange(deferred_, {})) {
    if (deferred.connection->try_pass_deferred(siblings_->claim_free())) continue;
    if (now_ms - deferred.since_ms < kDeferMs) {
      deferred_.push_back(deferred);
    } else if (!deferred.connection->try_pass_deferred(siblings_->choose_unoccupied())) {
      deferred.connection->go_on_deferred();
    }
  }
}

void Server::go_on_with_deferred() {
  for (const Deferred& deferred : std::exchange(deferred_, {}))
    deferred.connection->go_on_deferred();
}

void Server::open_inbox() {
  if (!siblings_ || inbox_) return;
  siblings_->own().beat_ms.store(monotonic_ms(), std::memory_order_relaxed);
  siblings_->own().state.store(control::SlotState::serving);
  if (!is_shared()) return;
  inbox_ = std::make_unique<Inbox>(*this);
  if (loop_->add(siblings_->inbox_fd(), EPOLLIN, *inbox_)) return;
  inbox_.reset();
  siblings_->own().state.store(control::SlotState::booting);  // it is passed nothing
  log_.error(303, "cannot watch the inbox; this process accepts all its connections itself",
             {{"errno", errno}});
}

// What is passed from now on is taken back by the sibling that did it.
void Server::close_inbox() {
  if (!siblings_) return;
  siblings_->own().state.store(control::SlotState::draining);
  if (!inbox_) return;
  loop_->remove(siblings_->inbox_fd());
  loop_->retire(std::move(inbox_));
  surplus_ = 0;
  go_on_with_deferred();
  Siblings::Received received;
  for (;;) {
    const control::Receipt receipt = siblings_->receive(received);
    if (receipt == control::Receipt::empty) break;
    take_in(receipt, std::move(received));
  }
  take_back();
}

void Server::read_inbox() {
  for (int count = 0; count < kReceivesPerTurn; ++count) {
    Siblings::Received received;
    const control::Receipt receipt = siblings_->receive(received);
    if (receipt == control::Receipt::empty) return siblings_->settle_inbound();
    take_in(receipt, std::move(received));
  }
}

// What siblings that do not look will not see in time.
void Server::take_back() {
  for (;;) {
    Siblings::Received received;
    const control::Receipt receipt = siblings_->take_back(received);
    if (receipt == control::Receipt::empty) return;
    take_in(receipt, std::move(received));
  }
}

void Server::take_in(control::Receipt receipt, Siblings::Received received) {
  if (receipt == control::Receipt::lost || received.note.endpoint >= listeners_.size()) {
    const LogField fields[] = {{"reason", "no descriptor for a connection of another process"},
                               {"connections", connections_.size()}};
    return limit_log_.note(Limit::connections, {}, std::span<const LogField>(fields));
  }
  siblings_->own().adopted.fetch_add(1, std::memory_order_relaxed);
  const Endpoint& endpoint = listeners_[received.note.endpoint]->endpoint();
  net::Address peer = net::peer_address(received.fd.get());
  adopt(endpoint, {std::move(received.fd), std::move(peer)}, received.note.requests);
}

// At each tick.
void Server::tell_siblings() {
  control::Slot& own = siblings_->own();
  constexpr auto kRelaxed = std::memory_order_relaxed;
  own.beat_ms.store(monotonic_ms(), kRelaxed);
  own.queued.store(static_cast<std::uint32_t>(queue_.depth()), kRelaxed);
  own.threads_idle.store(static_cast<std::uint32_t>(queue_.sleeping_threads()), kRelaxed);
  own.accepted.store(counters_.accepted.load(kRelaxed), kRelaxed);
  own.requests.store(counters_.requests.load(kRelaxed), kRelaxed);
  if (!inbox_) return;
  take_back();
  surplus_ = siblings_->surplus();
  const bool was_one_silent = std::exchange(is_one_silent_, siblings_->is_one_silent());
  if (was_one_silent == is_one_silent_ || !accepting_) return;
  for (auto& listener : listeners_) {
    loop_->remove(listener->endpoint().fd.get());
    listen(*listener);
  }
}

void Server::become_occupied(bool is_occupied) {
  if (std::exchange(is_occupied_, is_occupied) == is_occupied) return;
  siblings_->own().is_occupied.store(is_occupied ? 1 : 0, std::memory_order_relaxed);
}

void Server::count_connections() {
  if (!siblings_) return;
  siblings_->own().connections.store(static_cast<std::uint32_t>(connections_.size()),
                                     std::memory_order_relaxed);
}

}  // namespace corral::http
