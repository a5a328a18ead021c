#include "http/server.h"

#include <utility>

#include "base/check.h"
#include "http/listener.h"

namespace corral::http {
namespace {

constexpr Milliseconds kTickMs = 250;

}  // namespace

Server::Server(HttpLimits limits, HttpOptions options, AdmissionLimits admission,
               std::unique_ptr<Siblings> siblings, Queue& queue, Log& log)
    : limits_(limits),
      options_(std::move(options)),
      server_line_(options_.server_header == "none" ? ""
                                                    : "Server: " + options_.server_header + "\r\n"),
      admission_(admission),
      siblings_(std::move(siblings)),
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
    endpoint.index = static_cast<std::uint32_t>(listeners_.size());
    // Several processes accept from it: whoever comes late must not wait inside accept.
    net::set_nonblocking(fd);
    endpoint.address = net::local_address(fd);
    listeners_.push_back(std::make_unique<Listener>(*this, endpoint));
  }
  loop_->set_tick(kTickMs, [this] { tick(); });
  Polling::Options options;
  options.on_look = [this] { held_back_.send_all(); };
  if (is_shared()) {
    options.standby_turn_max_ms = kLookMs;
    options.standby_hears_of_idle = true;
    options.is_free = &siblings_->own().is_free;
    options.on_standby_begin = [this] { mind_occupation(); };
    options.on_standby_turn = [this] { mind_occupation(); };
    options.on_standby_end = [this] { end_occupation(); };
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
  loop_->post([this] {
    open_inbox();
    resume_accepting();
  });
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

// Of a connection that the poller holds, or nobody.
void Server::drop(Connection& connection) {
  connections_.erase(&connection);
  count_connections();
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
  if (siblings_) tell_siblings();
  if (is_shared()) {
    // The kernel may have told of a connection only a process that became busy in that moment.
    for (auto& listener : listeners_) accept_some(*listener);
  }
  if (paused_until_ms_ != 0 && now_ms >= paused_until_ms_) resume_accepting();
}

void Server::begin_drain() {
  close_inbox();
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
