// One parsed request. Everything the application needs is prepared here, outside any interpreter.
//
// A Request owns its bytes: the views point into `head` (`path` and `target` perhaps into
// `decoded_path`) and stay valid until reset(). It is filled by the thread that owns the connection
// and read by the one worker thread that answers it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "base/buffer.h"
#include "base/fd.h"
#include "http/request_id.h"

namespace corral::http {

// The headers Corral itself or every environ cares for get a number at parse time; the rest are
// `other`.
enum class HeaderId : std::uint8_t {
  other,
  accept,
  accept_encoding,
  accept_language,
  authorization,
  cache_control,
  connection,
  content_length,
  content_type,
  cookie,
  expect,
  forwarded,
  host,
  if_modified_since,
  if_none_match,
  origin,
  pragma,
  range,
  referer,
  sec_ch_ua,
  sec_ch_ua_mobile,
  sec_ch_ua_platform,
  sec_fetch_dest,
  sec_fetch_mode,
  sec_fetch_site,
  sec_fetch_user,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  upgrade_insecure_requests,
  user_agent,
  x_csrftoken,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_proto,
  x_request_id,
  x_requested_with,
  count
};

struct Header {
  HeaderId id;
  std::string_view name;   // as sent
  std::string_view value;  // without surrounding white space
};

// The body, complete before a worker sees the request: in memory, or in an unlinked temporary file
// when large.
struct Body {
  Buffer memory;
  Budget::Share share;     // of the memory for larger bodies
  Fd file;                 // positioned at 0 by whoever reads; valid when large
  std::uint64_t size = 0;  // bytes, wherever they are

  bool in_file() const { return static_cast<bool>(file); }
  void reset() {
    memory.reset();
    share.reset();
    file.reset();
    size = 0;
  }
};

enum class BodyFraming : std::uint8_t { none, length, chunked };

struct Request {
  std::string head;           // request line and header block, through the final CRLF CRLF
  std::string_view method;    // "GET": a token, case kept
  std::string_view target;    // as sent, without an absolute-form's scheme and authority
  std::string_view raw_path;  // the part of target before '?'
  std::string_view query;     // after '?', without it
  std::string_view
      host;  // the Host field (or the authority of an absolute-form target); may be empty in 1.0
  std::string_view path;          // percent-decoded raw_path, bytes
  std::string decoded_path;       // holds `path` where it is not raw_path, or a mended target
  int version_minor = 1;          // HTTP/1.x
  bool keep_alive = true;         // what the client asked for, by version and Connection
  bool expects_continue = false;  // the client waits for 100 before it sends its (non-empty) body
  BodyFraming framing = BodyFraming::none;
  std::uint64_t content_length = 0;  // with BodyFraming::length
  // In the order sent; names with underscores are gone. X-Request-ID is as request_id.h made it.
  std::vector<Header> headers;
  std::string_view request_id;  // once the head is accepted: in `head`, or in ...
  OwnRequestId own_id;
  Body body;
  std::string trailer_block;     // what the views of `trailers` point into
  std::vector<Header> trailers;  // of a chunked body, in the order sent; never among the headers
  std::int64_t started_ns = 0;   // monotonic, when the head was complete

  // The first header with this id, or nothing.
  const Header* find(HeaderId id) const {
    for (const Header& header : headers)
      if (header.id == id) return &header;
    return nullptr;
  }

  void reset() {
    head.clear();
    method = target = raw_path = query = host = path = {};
    version_minor = 1;
    keep_alive = true;
    expects_continue = false;
    framing = BodyFraming::none;
    content_length = 0;
    headers.clear();
    request_id = {};
    body.reset();
    trailer_block.clear();
    trailers.clear();
    started_ns = 0;
  }
};

}  // namespace corral::http
