// A response's head and framing: what bytes go out for a status, headers and body parts, exactly
// framed (RFC 9112 section 6).
//
// Owned and used by one worker thread; nothing of sockets or Python. A ResponseHead may be kept and
// reset() for the next response, so that its buffer is reused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace corral::http {

struct Request;

enum class ResponseFraming : std::uint8_t {
  none,     // no body on the wire: HEAD, 1xx, 204, 304
  length,   // the application's or our Content-Length
  chunked,  // HTTP/1.1, length unknown
  close,    // HTTP/1.0, length unknown: the end of the connection ends the body
};

class ResponseHead {
 public:
  // "200 OK": three digits from 200 on, a space, a reason of visible latin-1 or none. Replaces an
  // earlier one together with its headers.
  Result<void> set_status(std::string_view status);

  // Checks name (token) and value (no CR, LF, NUL or other controls; latin-1 bytes) so that no
  // header can be injected. Hop-by-hop names are the server's own and refused (PEP 3333), except
  // `Connection: close`, which is obeyed, and `Connection: keep-alive`, which is dropped.
  // Content-Length must be one number; a second one is refused.
  Result<void> add_header(std::string_view name, std::string_view value);

  // Chooses framing, adds Content-Length, Transfer-Encoding, Connection, Date, Server and
  // X-Request-ID as needed and ends the head. `known_length`: the whole body's size when it is
  // known without the application having said so, else -1. Afterwards bytes(), framing(),
  // keep_alive() are valid. `may_keep` is false while draining. `server_line`: unless the
  // application has its own.
  void finish(const Request& request, std::int64_t known_length, bool may_keep,
              std::string_view server_line);

  std::string_view bytes() const { return bytes_; }
  ResponseFraming framing() const { return framing_; }
  bool keep_alive() const { return keep_alive_; }
  int status() const { return status_; }
  // What the application declared, or -1.
  std::int64_t content_length() const { return content_length_; }
  bool has_status() const { return status_ != 0; }

  void reset();

 private:
  std::string bytes_;
  int status_ = 0;
  std::int64_t content_length_ = -1;
  bool has_date_ = false;
  bool has_server_ = false;
  bool has_request_id_ = false;
  bool wants_close_ = false;
  bool keep_alive_ = true;
  ResponseFraming framing_ = ResponseFraming::none;
};

// The start of an interim response, and one more of its lines, checked like a header. Fields that
// frame a body or belong to the connection are refused. An empty line ends it.
constexpr std::string_view kEarlyHintsLine = "HTTP/1.1 103 Early Hints\r\n";
Result<void> add_hint(std::string& bytes, std::string_view name, std::string_view value);

// A whole small response of the server's own: "503 Service Unavailable" with a plain-text body and
// extra header lines ("Retry-After: 1\r\n"). `keep_alive` false adds Connection: close.
std::string plain_response(int status, std::string_view body, std::string_view extra_headers,
                           bool keep_alive, std::string_view server_line);

// The line of a response that names its request; nothing for one without an id.
void append_request_id(std::string& bytes, const Request& request);

std::string_view reason_phrase(int status);

// The form of dates in headers, "Sun, 06 Nov 1994 08:49:37 GMT"; not NUL-terminated.
constexpr std::size_t kHttpDateBytes = 29;
void write_http_date(std::int64_t unix_seconds, char (&text)[kHttpDateBytes]);

// The Date header's value for now; formatted once a second per thread.
std::string_view http_date();

// "1a2\r\n" into `buffer`; returns the view. For chunk heads.
struct ChunkHead {
  char buffer[20];
  std::string_view write(std::uint64_t size);
};

}  // namespace corral::http
