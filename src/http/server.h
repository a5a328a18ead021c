// The HTTP side of the engine: listeners, connections, admission, drain. Its sockets are polled by
// one thread at a time (polling.h): "the poller" below.
//
// Made and started by engine/boot; the sink (a group's queue) is given at construction. Requests
// reach the sink as Exchange tokens; when it refuses, the client gets 503 with Retry-After at once.
//
//   created --serve()--> serving --drain()--> draining --last connection gone--> drained
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <unordered_set>
#include <vector>

#include "base/block_cache.h"
#include "base/budget.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "dispatch/queue.h"
#include "http/connection.h"
#include "http/counters.h"
#include "http/exchange.h"
#include "http/held_back.h"
#include "http/limit_log.h"
#include "http/polling.h"
#include "http/request_id.h"
#include "http/siblings.h"
#include "net/event_loop.h"
#include "net/networks.h"

namespace corral::http {

// A listening socket and what the environ says about it.
struct Endpoint {
  Fd fd;
  net::Address address;
  std::uint32_t index = 0;  // among the listening sockets
};

class Server {
 public:
  using Queue = dispatch::Queue<Exchange>;

  // `siblings` accept from the same sockets; nothing: nobody does, and no scoreboard is written.
  Server(HttpLimits limits, HttpOptions options, AdmissionLimits admission,
         std::unique_ptr<Siblings> siblings, Queue& queue, Log& log);
  ~Server();

  // Starts io-0. The descriptors become the server's.
  Result<void> start(std::vector<int> listen_fds);
  // Begins to accept.
  void serve();
  // Serves what waits in the accept queues, closes the listeners and idle connections, and lets the
  // rest finish. Each remaining response ends its connection. `on_drained` is called by the poller
  // when the last connection has gone.
  void drain(std::function<void()> on_drained);
  // Ends io-0; connections still open are closed. No worker polls any more.
  void stop();

  // Where workers get their requests. After start().
  Polling& polling() { return *polling_; }

  // What a request would meet in the queue now.
  dispatch::Admission foresee_admission() const { return queue_.foresee_push(); }

  const HttpLimits& limits() const { return limits_; }
  const HttpOptions& options() const { return options_; }
  // "Server: corral" with its line end, or nothing.
  const std::string& server_line() const { return server_line_; }
  const AdmissionLimits& admission() const { return admission_; }
  RequestIds& request_ids() { return request_ids_; }
  // After start(). Who reaches a unix socket has been let in by its permissions.
  RequestIds::Peer judge_peer(const net::Address& peer) const {
    return peer.host.empty() || trusted_.contains(peer.host) ? RequestIds::Peer::trusted
                                                             : RequestIds::Peer::stranger;
  }
  Log& log() const { return log_; }
  Counters& counters() { return counters_; }
  LimitLog& limit_log() { return limit_log_; }
  HeldBack& held_back() { return held_back_; }
  const std::shared_ptr<Budget>& body_budget() const { return body_budget_; }
  const std::shared_ptr<BlockCache>& blocks() const { return blocks_; }
  const std::shared_ptr<Budget>& unsent_budget() const { return unsent_budget_; }
  const std::shared_ptr<Budget>& unsent_files_budget() const { return unsent_files_budget_; }
  bool draining() const { return draining_.load(std::memory_order_relaxed); }

 private:
  friend class Connection;
  class Listener;
  class Inbox;

  // --- the poller: accepting.cc
  bool is_shared() const { return siblings_ && !siblings_->is_alone(); }
  void accept_some(Listener& listener);
  bool accept_up_to(Endpoint& endpoint, int count);
  void mind_occupation();
  void end_occupation();
  void stop_standing_back();
  void accept_what_nobody_wants();
  void stop_listening();
  void listen(Listener& listener);
  bool find_room(const char* reason);
  bool make_room();
  void pause_accepting(const char* reason);
  void resume_accepting();

  // --- the poller: passing.cc
  void adopt(const Endpoint& endpoint, net::Accepted accepted, std::uint32_t requests);
  bool try_pass(std::optional<std::size_t> sibling, int fd, const PassedNote& note);
  // Whether connections whose next request has not been read might be better off elsewhere.
  bool passes_on() const { return has_no_thread_ || surplus_ > 0; }
  bool try_pass_on(int fd, const PassedNote& note);
  bool try_defer(Connection& connection);
  void mind_deferred();
  void go_on_with_deferred();
  void open_inbox();
  void close_inbox();
  void read_inbox();
  void take_back();
  void take_in(control::Receipt receipt, Siblings::Received received);
  void tell_siblings();
  void become_occupied(bool is_occupied);
  void count_connections();

  // --- the poller
  void drop(Connection& connection);
  void tick();
  void begin_drain();
  void check_drained();

  // --- any thread (shedding.cc)
  // Answers 503 to what has waited too long in the queue.
  void refuse_overdue();
  void refuse_overdue_if_any() {
    if (queue_.is_overload()) refuse_overdue();
  }

  // --- any thread that holds the connection
  // Runs it in the poller's next turn.
  void post(std::function<void()> task);
  // Closes it, here or by way of the poller.
  void end_connection(Connection& connection);

  const HttpLimits limits_;
  const HttpOptions options_;
  const std::string server_line_;
  const AdmissionLimits admission_;
  const std::unique_ptr<Siblings> siblings_;
  Queue& queue_;
  Log& log_;
  Counters counters_;
  LimitLog limit_log_{log_, counters_};
  RequestIds request_ids_;
  HeldBack held_back_;
  net::Networks trusted_;                        // constant after start()
  const std::shared_ptr<Budget> body_budget_;    // memory of the bodies that are not small
  const std::shared_ptr<Budget> unsent_budget_;  // memory of responses that clients do not take
  const std::shared_ptr<Budget> unsent_files_budget_;  // the same in temporary files
  const std::shared_ptr<BlockCache> blocks_;           // where bodies and responses are
  std::atomic<bool> draining_{false};

  std::unique_ptr<net::EventLoop> loop_;
  std::unique_ptr<Polling> polling_;
  Thread thread_;
  // The poller's own:
  std::list<Endpoint> endpoints_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unordered_set<Connection*> connections_;
  std::unique_ptr<Inbox> inbox_;
  bool accepting_ = false;
  bool is_occupied_ = false;    // what the siblings are told
  bool has_no_thread_ = false;  // the standby polls because all are busy
  bool is_one_silent_ = false;  // of the siblings
  // Held, and with a request that has not been read; only while is_occupied_.
  struct Deferred {
    Connection* connection;
    Milliseconds since_ms;
  };
  std::vector<Deferred> deferred_;
  std::uint32_t surplus_ = 0;   // connections to pass on
  bool standing_back_ = false;  // from shared listeners, which are accepted from all the same
  Milliseconds next_look_ms_ = 0;
  Milliseconds waiting_since_ms_ = 0;  // connections, in shared listeners, as far as was seen
  Milliseconds paused_until_ms_ = 0;   // 0: accepting is not paused
  Milliseconds next_room_ms_ = 0;      // no look for idle connections to close before
  std::function<void()> on_drained_;
};

}  // namespace corral::http
