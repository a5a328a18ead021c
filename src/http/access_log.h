// One access record as one line of text or JSON.
//
// A pure function over bytes a client chose: every byte that could end a line, a quoted part or a
// JSON string, or drive a terminal, is escaped, so that a record is always one line and nothing in
// it can pose as another. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"

namespace corral::http {

struct AccessRecord {
  std::string_view client;  // address; empty for a unix socket
  std::string_view method;  // empty when the request line could not be read
  std::string_view target;
  int version_minor = 1;
  int status = 0;
  std::uint64_t response_bytes = 0;  // of the body
  std::int64_t duration_us = 0;
  std::string_view referer;
  std::string_view user_agent;
  std::string_view request_id;
  std::int64_t time_ns = wall_ns();  // when the record was made
};

// Ends with a newline. Text is the combined format of Apache and NGINX, in UTC, then microseconds
// and the request id:
//   ::1 - - [06/Nov/1994:08:49:37 +0000] "GET /a?b HTTP/1.1" 200 5 "referer" "agent" 1234 "id"
// What is missing is "-". Bytes above ASCII are \xHH in text and the latin-1 character \u00HH in
// JSON, as in a WSGI environ.
std::string format_access(const AccessRecord& record, LogFormat format);

}  // namespace corral::http
