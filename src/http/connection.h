// One client connection, HTTP/1.1, in the stages of a request:
//
//   idle -> head -> body -> responding (a worker holds it) -> [writing] -> idle ... -> lingering
//
// It has one holder at a time, who alone reads, writes and changes it. The poller takes hold
// when an event comes in; dispatching a request passes the hold to the worker with the Exchange;
// finish() goes on with a pipelined request on the spot or lets go. An event on a connection that
// somebody holds only leaves a mark; the holder, when it wants to let go, finds the mark and looks
// again itself. So no event is lost and nobody has to be woken.
//
// Sources: connection.cc (hold), timeouts.cc (time), connection_read.cc (bytes to request),
// connection_body.cc (its body), connection_write.cc (response to bytes), connection_share.cc
// (bytes that others than the holder send).
#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "dispatch/queue.h"
#include "http/exchange.h"
#include "http/head_finder.h"
#include "http/outbox.h"
#include "http/parser.h"
#include "http/rate_window.h"
#include "http/request.h"
#include "http/request_id.h"
#include "net/event_loop.h"
#include "net/socket.h"

namespace corral::http {

class Server;
struct Endpoint;

class Connection final : public net::Source {
 public:
  // `requests`: those that siblings have answered on it.
  Connection(Server& server, const Endpoint& endpoint, net::Accepted accepted,
             std::uint32_t requests);
  ~Connection() override;

  int fd() const { return fd_.get(); }

  // --- the poller
  void on_events(std::uint32_t events) override;
  // Applies the time limits, and while draining closes what is idle. Called for every connection at
  // each tick.
  void on_tick(Milliseconds now_ms);
  // One that waits for a request of which no byte is known, and could make room for another
  // (shedding.cc). The least goes first: deadlines are in the order of becoming idle.
  struct Spare {
    bool is_unheard;  // has never sent anything
    Milliseconds deadline_ms;
    Connection* connection;
    auto operator<=>(const Spare&) const = default;
  };
  std::optional<Spare> as_spare(Milliseconds now_ms);
  // Closes such a one unless it has something to say after all. True if it is gone.
  bool make_room();
  // One that the server has deferred, and nobody else holds.
  bool try_pass_deferred(std::optional<std::size_t> sibling);
  void go_on_deferred() { settle(step()); }
  // When nobody holds it any more. It is deleted at the end of the turn.
  void close() { fd_.reset(); }

 private:
  friend class Exchange;
  friend class HeldBack;
  friend class Server;

  enum class Stage : std::uint8_t { idle, head, body, responding, writing, lingering };
  enum class Next : std::uint8_t {
    wait,         // let go until the next event
    again,        // more than one turn's share is there: go on in the next one
    handed_over,  // a worker holds it now: do not touch
    closed,       // let the poller close it
  };

  // --- hold
  void settle(Next next);
  void go_on_after(Next next);
  Next step();
  bool try_let_go();
  bool try_pass_on();

  // --- reading
  Next read_and_proceed();
  Next take(std::string_view bytes);
  ssize_t read_once(std::span<char> direct);
  Next go_on();
  bool may_be_unread() const;
  Next proceed();
  bool take_head(Next& next);
  Next admit();
  bool is_probe(std::string_view& body, int& status) const;
  Next discard_input();

  // --- body
  struct BodyStep {
    std::size_t used;  // of the bytes
    bool done;
    Refusal refusal;
  };
  Next begin_body();
  Next invite_body();
  Next take_body(std::string_view bytes);
  std::span<char> body_room();
  Next take_direct(std::size_t bytes, std::string_view behind);
  BodyStep take_counted(std::string_view bytes);
  BodyStep take_chunked(std::string_view bytes);
  bool prepare_body(std::size_t more);
  bool prepare_memory(std::size_t more);
  bool spill_body();
  bool write_body(std::string_view bytes);
  bool log_no_room();

  // --- writing
  Next refuse(const Refusal& refusal);
  Next answer(int status, std::string_view response, bool keep);
  Next answer_plainly(int status, std::string_view body, std::string_view extra_headers);
  Next answer_failure(int status, std::string_view body, std::string_view extra_headers);
  void expire();
  Next answer_busy(dispatch::Admission admission);
  Next answer_busy(Limit limit);
  bool may_keep() const;
  bool is_last_request() const;
  std::string own_lines(std::string_view extra_headers) const;
  bool has_client_left() const;
  Next give_up_gone();
  Sent send(const ResponseHead& head, std::span<const std::string_view> parts, bool last);
  Exchange::AtOnce respond_at_once(const ResponseHead& head,
                                   std::span<const std::string_view> parts);
  Sent send_file(const ResponseHead& head, FilePart file);
  Sent send_interim(std::string_view bytes);
  Sent write_parts(std::span<iovec> parts, std::size_t bytes);
  bool try_write(iovec part);
  Sent wait_for_client(std::span<iovec> parts, std::size_t bytes);
  Outbox::Room outbox_room() const;
  bool try_hold_back(const ResponseHead& head, std::span<const std::string_view> parts);
  bool try_keep_held_back(std::span<const iovec> parts, std::size_t bytes);
  void send_held_back();
  Next end_holding_back(Next next);
  Next continue_writing();
  Sent give_up();
  Next begin_writing(bool keep);
  void log_cut_file();
  void share_outbox();
  void unshare_outbox();
  void flush_shared_outbox();
  Next response_done(int status, bool keep);
  Next abort_response();
  Next linger();
  void log_access(int status);

  // --- time and limits
  void set_deadline(Milliseconds span_ms);
  void begin_body_time();
  void begin_write_time();
  bool is_overdue(Milliseconds now_ms);
  bool is_write_too_slow(Milliseconds now_ms);
  Next end_overdue(Milliseconds now_ms);
  void note(Limit limit);

  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kMarked = 2;

  Server& server_;            // constant
  const Endpoint& endpoint_;  // constant
  Fd fd_;                     // constant until closed by the poller
  net::Address peer_;         // constant
  RequestIds::Peer trust_;    // constant
  std::atomic<std::uint32_t> token_{0};
  std::atomic<bool> peer_ended_{false};  // set by the poller: the end of file is there to be read

  // While a worker makes the next part of a response the poller sends what is left of the last one,
  // and the standby what is held back; then outbox_ is guarded by shared_mutex_. The holder alone
  // sets it.
  std::atomic<bool> shared_{false};
  std::mutex shared_mutex_;

  // All below: the holder's.
  Stage stage_ = Stage::idle;
  bool first_request_ = true;
  bool unread_ = true;    // an event came since the socket was last read to its end
  bool gave_up_ = false;  // on a client that is gone or takes nothing
  bool close_after_write_ = false;
  bool is_held_back_ = false;   // what is shared, until there is more to send
  bool ends_by_close_ = false;  // the response begun last: its body has no other end
  bool response_started_ = false;
  bool was_half_closed_ = false;  // by the client, when its request was admitted
  std::string input_;             // bytes read and not used yet
  HeadFinder finder_;             // in input_
  Request request_;
  ChunkedDecoder chunked_;
  Outbox outbox_;  // of responses the socket has not taken; see shared_
  std::uint64_t body_bytes_ = 0;
  Milliseconds deadline_ms_ = 0;
  RateWindow rate_;           // of the body, then of the response
  std::size_t requests_ = 0;  // on this connection
};

}  // namespace corral::http
