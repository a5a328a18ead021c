// The right to answer one request: a move-only token. Whoever holds it owns the connection until
// finish(), fail() or destruction; nobody else reads, writes or closes it meanwhile.
//
// Held by a worker thread, detached from Python for every call that writes. A token that is
// destroyed unused answers 500.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "http/outbox.h"
#include "http/request.h"

namespace corral::http {

class Connection;
class ResponseHead;

enum class Sent {
  yes,   // written, or kept for the poller to write
  gone,  // the client is gone or takes nothing: stop producing
};

class Exchange {
 public:
  Exchange() = default;
  explicit Exchange(Connection* connection) : connection_(connection) {}
  Exchange(Exchange&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  Exchange& operator=(Exchange&& other) noexcept {
    std::swap(connection_, other.connection_);
    return *this;
  }
  ~Exchange();

  explicit operator bool() const { return connection_ != nullptr; }
  Request& request() const;

  // Where the request came from and arrived, for the environ.
  std::string_view peer_host() const;
  std::uint16_t peer_port() const;
  std::string_view server_host() const;
  std::uint16_t server_port() const;

  // False once draining: the response must end the connection.
  bool may_keep() const;
  // "Server: corral" with its line end; empty for none.
  std::string_view server_line() const;

  // Writes the head (first call only, when not empty) and body parts in the framing that `head`
  // chose. `last` ends the body. What the socket does not take at once is kept up to
  // HttpLimits::unsent_bytes_max and sent by the poller, also while the worker makes the next part;
  // beyond that the call waits for the client, up to write_stall_max_ms.
  enum class More { follows, last };
  Sent send(const ResponseHead& head, std::span<const std::string_view> parts, More more);

  // Before the response has begun: a whole interim one.
  Sent send_interim(std::string_view bytes);

  // The same as send(), with a part of a file as the rest of a body of known length. What the
  // socket does not take at once is sent by the poller; the call never waits for the client.
  Sent send_file(const ResponseHead& head, FilePart file);

  // A whole response with its body, if that is small and nothing has been sent: writes it in one
  // call to the system that never waits, and finishes if nothing else is to be done for the
  // connection now. Short enough to be called inside of Python.
  enum class AtOnce {
    no,        // nothing has happened
    sent,      // finish() remains to be called
    finished,  // the connection is given back
  };
  AtOnce try_respond_at_once(const ResponseHead& head, std::span<const std::string_view> parts);

  // The same without any call to the system: `sent` when the response is kept until the next one of
  // the same client, whose request is here already, or for a millisecond or two; else `no`.
  AtOnce try_hold_back(const ResponseHead& head, std::span<const std::string_view> parts);

  // Body bytes handed to send() so far.
  std::uint64_t body_bytes() const;
  bool started() const;

  // The response is complete and exactly framed: gives the connection back. `keep` false closes it
  // after the last byte.
  enum class After { keep, close };
  void finish(int status, After after);

  // --- before anything has been sent (shedding.cc)
  // Whether a request that has waited so long is not worth running any more: it has waited longer
  // than may be, or its client has left.
  bool is_stale(Milliseconds waited_ms) const;
  // Ends such a request.
  void turn_away(Milliseconds waited_ms);
  // Answers 503 with Retry-After: there was no worker for it in time.
  void shed(Limit limit);

  // Answers with a response of the server's own (500) if nothing has been sent yet, else ends the
  // connection so that the client can tell the response is cut short.
  void fail(int status, std::string_view body, std::string_view extra_headers = {});

  // The same with 504, by somebody who is not a worker and has taken the token from one: it does
  // not wait for the client, and what comes next on the connection is left to the poller.
  void expire();

 private:
  friend class Connection;

  Connection* connection_ = nullptr;
};

}  // namespace corral::http
