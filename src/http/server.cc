#include "http/server.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace corral::http {
namespace {

constexpr Milliseconds kTickMs = 250;
constexpr Milliseconds kAcceptPauseMs = 100;
constexpr int kAcceptsPerTurn = 64;
// When connections have waited for so long without a pause, no process is free: then a busy one
// accepts them all the same, to wait in its queue, where they get an answer: their turn, a 503, or
// the health check's. A free process needs no more than the machine needs to run its thread.
constexpr Milliseconds kPatienceMs = 100;
constexpr Milliseconds kLookMs = 5;
constexpr int kAcceptsPerLook = 16;

}  // namespace

class Server::Listener final : public net::Source {
 public:
  Listener(Server& server, Endpoint& endpoint) : server_(server), endpoint_(endpoint) {}
  void on_events(std::uint32_t) override { server_.accept_some(*this); }
  Endpoint& endpoint() { return endpoint_; }

 private:
  Server& server_;
  Endpoint& endpoint_;
};

Server::Server(HttpLimits limits, HttpOptions options, AdmissionLimits admission,
               Listening listening, Queue& queue, Log& log)
    : limits_(limits),
      options_(std::move(options)),
      server_line_(options_.server_header == "none" ? ""
                                                    : "Server: " + options_.server_header + "\r\n"),
      admission_(admission),
      listening_(listening),
      queue_(queue),
      log_(log),
      body_budget_(std::make_shared<Budget>(limits_.body_memory_total_bytes_max)),
      unsent_budget_(std::make_shared<Budget>(limits_.unsent_total_bytes_max)),
      unsent_files_budget_(std::make_shared<Budget>(limits_.unsent_files_total_bytes_max)),
      blocks_(
          std::make_shared<BlockCache>(body_budget_->bytes_max() + unsent_budget_->bytes_max())) {}

Server::~Server() { CORRAL_CHECK(!thread_.joinable(), "stop() comes before the end of a server"); }

Result<void> Server::start(std::vector<int> listen_fds) {
  auto loop = net::EventLoop::create();
  if (!loop) return loop.error();
  auto trusted = net::Networks::parse(options_.forwarded_allow_ips);
  if (!trusted) return Error{"forwarded_allow_ips: " + trusted.error().message};
  trusted_ = std::move(*trusted);
  loop_ = std::move(*loop);
  for (int fd : listen_fds) {
    Endpoint& endpoint = endpoints_.emplace_back();
    endpoint.fd = Fd(fd);
    // Several processes accept from it: whoever comes late must not wait inside accept.
    net::set_nonblocking(fd);
    endpoint.address = net::local_address(fd);
    listeners_.push_back(std::make_unique<Listener>(*this, endpoint));
  }
  loop_->set_tick(kTickMs, [this] { tick(); });
  Polling::Options options;
  options.on_look = [this] { held_back_.send_all(); };
  if (listening_ == Listening::with_others) {
    options.standby_turn_max_ms = kLookMs;
    options.standby_hears_of_idle = true;
    options.on_standby_begin = [this] { leave_listeners_to_others(); };
    options.on_standby_turn = [this] { accept_what_nobody_wants(); };
    options.on_standby_end = [this] {
      if (std::exchange(standing_back_, false)) resume_accepting();
    };
  }
  polling_ = std::make_unique<Polling>(*loop_, queue_, std::move(options));
  thread_ = Thread("io-0", [this] {
    polling_->stand_by();
    // Whoever was left behind with a request may still use its connection.
    for (Connection* connection : connections_) {
      loop_->remove(connection->fd());
      loop_->retire(std::unique_ptr<net::Source>(connection));
    }
    connections_.clear();
  });
  return {};
}

void Server::serve() {
  loop_->post([this] { resume_accepting(); });
}

void Server::drain(std::function<void()> on_drained) {
  loop_->post([this, done = std::move(on_drained)]() mutable {
    on_drained_ = std::move(done);
    begin_drain();
  });
}

void Server::stop() {
  if (!thread_.joinable()) return;
  polling_->stop();
  thread_.join();
}

// Of shared sockets one connection at a time. The kernel asks the process that has waited longest
// first: who has taken one goes to the end of that line.
void Server::accept_some(Listener& listener) {
  if (listening_ == Listening::alone) {
    accept_up_to(listener.endpoint(), kAcceptsPerTurn);
    return;
  }
  if (!accepting_) return;
  accept_up_to(listener.endpoint(), 1);
  if (!accepting_) return;
  loop_->remove(listener.endpoint().fd.get());
  listen(listener);
}

// The standby polls because this process's workers are busy: the kernel shall not ask it.
void Server::leave_listeners_to_others() {
  if (!accepting_ || queue_.sleeping_threads() > 0) return;
  standing_back_ = true;
  stop_listening();
}

void Server::accept_what_nobody_wants() {
  if (!standing_back_) return;
  if (queue_.sleeping_threads() > 0) {  // one of this process is free meanwhile
    standing_back_ = false;
    return resume_accepting();
  }
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
  // Several processes may share the socket: only one of them is woken.
  if (loop_->add(listener.endpoint().fd.get(), EPOLLIN | EPOLLEXCLUSIVE, listener)) return;
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
    auto* connection = new Connection(*this, endpoint, std::move(accepted));
    connections_.insert(connection);
    constexpr std::uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    if (!loop_->add(connection->fd(), kEvents, *connection)) drop(*connection);
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

// Of a connection that the poller holds, or nobody.
void Server::drop(Connection& connection) {
  connections_.erase(&connection);
  loop_->remove(connection.fd());
  connection.close();
  loop_->retire(std::unique_ptr<net::Source>(&connection));
  if (paused_until_ms_ != 0) resume_accepting();
}

void Server::post(std::function<void()> task) { loop_->post(std::move(task)); }

void Server::end_connection(Connection& connection) {
  CORRAL_CHECK(!connection.is_held_back_, "what is held back is sent before the end");
  if (polling_->is_poller()) {
    drop(connection);
    check_drained();
  } else {
    loop_->post([this, &connection] {
      drop(connection);
      check_drained();
    });
  }
}

void Server::tick() {
  const Milliseconds now_ms = monotonic_ms();
  const std::vector<Connection*> all(connections_.begin(), connections_.end());
  for (Connection* connection : all) connection->on_tick(now_ms);
  refuse_overdue();
  blocks_->release_idle();
  if (listening_ == Listening::with_others) {
    // The kernel may have told of a connection only a process that became busy in that moment.
    for (auto& listener : listeners_) accept_some(*listener);
  }
  if (paused_until_ms_ != 0 && now_ms >= paused_until_ms_) resume_accepting();
}

void Server::begin_drain() {
  if (std::exchange(standing_back_, false)) resume_accepting();  // nothing can wait any longer
  const bool was_serving = accepting_ || paused_until_ms_ != 0;
  if (was_serving) {
    for (auto& listener : listeners_) {
      while (!accept_up_to(listener->endpoint(), kAcceptsPerTurn) && accepting_) {
      }
    }
  }
  draining_.store(true, std::memory_order_relaxed);
  for (auto& listener : listeners_) {
    if (accepting_) loop_->remove(listener->endpoint().fd.get());
    listener->endpoint().fd.reset();
  }
  accepting_ = false;
  tick();
  check_drained();
}

void Server::check_drained() {
  if (!draining() || !connections_.empty() || !on_drained_) return;
  std::exchange(on_drained_, nullptr)();
}

}  // namespace corral::http
