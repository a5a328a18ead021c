// Every limit in one place: its value, and for those of the web side what happens when it is
// exceeded. The settings that change the values are in python/corral/settings_table.py, which names
// the fields below; docs/http.md shows both as one table, which tests/unit/test_limits.py checks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace corral {

// Header names with underscores: an environ cannot tell them from the same names with dashes.
enum class UnderscoreHeaders : std::uint8_t { drop, refuse, pass };

struct HttpLimits {
  std::size_t request_line_bytes_max = 8 * 1024;
  std::size_t header_bytes_max = 32 * 1024;  // the whole head, request line included
  std::size_t header_count_max = 100;
  std::size_t body_bytes_max = 64 * 1024 * 1024;
  std::size_t body_memory_bytes_max = 64 * 1024;               // larger bodies share ...
  std::size_t body_memory_total_bytes_max = 64 * 1024 * 1024;  // ... this, and then go to files
  std::size_t chunk_extension_bytes_max = 256;                 // per chunk
  UnderscoreHeaders underscore_headers = UnderscoreHeaders::drop;
  std::size_t connections_max = 10'000;
  Milliseconds header_time_max_ms = 10'000;  // from the first byte to the end of the head
  Milliseconds body_idle_max_ms = 30'000;    // without a byte of an unfinished body
  std::size_t body_rate_min = 500;           // bytes a second, averaged over body_idle_max_ms
  Milliseconds keep_alive_max_ms = 5'000;
  std::size_t keep_alive_requests_max = 0;   // 0: no limit
  Milliseconds write_stall_max_ms = 30'000;  // the client takes nothing
  std::size_t write_rate_min = 500;          // bytes a second, averaged over write_stall_max_ms
  std::size_t unsent_bytes_max = 8 * 1024 * 1024;  // beyond it the worker waits for the client
  std::size_t unsent_total_bytes_max = 64 * 1024 * 1024;  // beyond it what is unsent goes to files
  std::size_t unsent_files_total_bytes_max = 1024 * 1024 * 1024;  // beyond it the worker waits
};

// What else there is to choose on the web side.
struct HttpOptions {
  std::string body_folder = "/tmp";
  std::string server_header = "corral";               // "none": there is none
  std::string forwarded_allow_ips = "127.0.0.1,::1";  // peers that are trusted (net/networks.h)
};

struct AdmissionLimits {
  std::size_t queue_depth_max = 1024;
  Milliseconds queue_wait_max_ms = 10'000;
  Milliseconds overload_wait_max_ms = 100;  // while more comes than can be done; 0: as otherwise
  int retry_after_s = 1;                    // in every 503
};

// Of one request in the application.
struct RequestLimits {
  Milliseconds request_time_max_ms = 30'000;  // without waits for its client; 0: no limit
  Milliseconds slow_request_ms = 5'000;       // beyond it a record says where it is; 0: none
};

struct TaskLimits {
  int prefetch_max = 500;  // most jobs held beyond the threads, for the whole group
  Milliseconds prefetch_span_ms =
      50;  // held are as many as were finished in this time, if not one a thread
  Milliseconds prefetch_patience_ms =
      500;  // jobs that wait behind busy threads for so long go back
  int claim_batch_max = 500;
  int finish_batch_max = 500;
  Milliseconds finish_delay_max_ms = 5;   // a finish waits this long for company
  Milliseconds poll_interval_ms = 1'000;  // upper bound for noticing rows written by other programs
  Milliseconds node_lease_ms = 15'000;    // a silent node counts as dead after this
  Milliseconds prune_interval_ms = 10'000;  // while there is little to prune
  int prune_batch_max = 500;                // jobs deleted in one statement
};

// What a client or the load can exceed on the web side.
enum class Limit : std::uint8_t {
  none,
  request_line,
  header_bytes,
  header_count,
  body_bytes,
  chunk_extension,
  header_time,
  body_idle,
  body_rate,
  keep_alive,
  keep_alive_requests,
  write_stall,
  write_rate,
  unsent_bytes,
  connections,
  idle_closed,
  queue_depth,
  queue_wait,
  overload_wait,
  request_time,
  count
};

constexpr std::size_t kLimitCount = static_cast<std::size_t>(Limit::count);

// Who should know. A record of each is written at most once in kLimitLogPauseMs and says how many
// there were since the last, so that an attack does not flood the log; except of request_time, of
// which each says where the application was.
enum class LimitSeverity : std::uint8_t {
  usual,     // part of every day: debug
  client,    // a client did it, and only that client notices: info
  capacity,  // the server turned work away: warning
};
constexpr Milliseconds kLimitLogPauseMs = 10'000;

struct LimitRow {
  Limit limit;
  std::string_view counter;  // http::Counters; in the record at the end of a process
  std::string_view setting;  // "": fixed
  int status;                // 0: no answer, the connection ends or waits
  std::string_view code;
  LimitSeverity severity;
  std::string_view message;
};

// clang-format off
inline constexpr std::array<LimitRow, kLimitCount - 1> kLimitRows{{
  {Limit::request_line, "request_line", "limit_request_line", 414, "CORRAL-310",
   LimitSeverity::client, "a request line over its limit was refused"},
  {Limit::header_bytes, "header_bytes", "limit_request_head", 431, "CORRAL-311",
   LimitSeverity::client, "a request head, or trailers, over their limit were refused"},
  {Limit::header_count, "header_count", "limit_request_fields", 431, "CORRAL-312",
   LimitSeverity::client, "a request with more header fields than the limit was refused"},
  {Limit::body_bytes, "body_bytes", "limit_request_body", 413, "CORRAL-313",
   LimitSeverity::client, "a request body over its limit was refused"},
  {Limit::chunk_extension, "chunk_extension", "", 400, "CORRAL-314",
   LimitSeverity::client, "a chunk extension over its limit was refused"},
  {Limit::header_time, "header_time", "header_timeout", 408, "CORRAL-315",
   LimitSeverity::client, "a request head did not arrive in time; the connection is closed"},
  {Limit::body_idle, "body_idle", "body_timeout", 408, "CORRAL-316",
   LimitSeverity::client, "a request body stopped arriving; the connection is closed"},
  {Limit::body_rate, "body_rate", "min_body_rate", 408, "CORRAL-317",
   LimitSeverity::client, "a request body arrived too slowly; the connection is closed"},
  {Limit::keep_alive, "keep_alive", "keep_alive", 0, "CORRAL-318",
   LimitSeverity::usual, "an idle connection was closed"},
  {Limit::keep_alive_requests, "keep_alive_requests", "keep_alive_requests", 0, "CORRAL-319",
   LimitSeverity::usual, "a connection was closed after its last allowed request"},
  {Limit::write_stall, "write_stall", "write_timeout", 0, "CORRAL-320",
   LimitSeverity::client, "a client took nothing of its response; it is disconnected"},
  {Limit::write_rate, "write_rate", "min_write_rate", 0, "CORRAL-321",
   LimitSeverity::client, "a client took its response too slowly; it is disconnected"},
  {Limit::unsent_bytes, "unsent_bytes", "unsent_memory", 0, "CORRAL-322",
   LimitSeverity::client, "a worker waits for a client that takes a large response slowly"},
  {Limit::connections, "connections", "limit_connections", 0, "CORRAL-302",
   LimitSeverity::capacity,
   "accepting is paused until connections end; new clients wait in the queue of the kernel"},
  {Limit::idle_closed, "idle_closed", "limit_connections", 0, "CORRAL-305",
   LimitSeverity::client, "idle connections are closed to make room for new ones"},
  {Limit::queue_depth, "queue_depth", "limit_queued_requests", 503, "CORRAL-323",
   LimitSeverity::capacity, "the queue of requests is full; new ones are refused"},
  {Limit::queue_wait, "queue_wait", "queued_timeout", 503, "CORRAL-324",
   LimitSeverity::capacity, "requests waited too long for a worker and are refused"},
  {Limit::overload_wait, "overload_wait", "overload_wait", 503, "CORRAL-325",
   LimitSeverity::capacity,
   "more requests come than can be answered; the newest are served first, others are refused"},
  {Limit::request_time, "request_time", "timeout", 504, "CORRAL-326",
   LimitSeverity::capacity,
   "a request took longer than it may: it is broken off, and another thread takes its thread's "
   "place"},
}};
// clang-format on

constexpr const LimitRow& limit_row(Limit limit) {
  return kLimitRows[static_cast<std::size_t>(limit) - 1];
}

// The number in its code.
constexpr int limit_code(Limit limit) {
  const std::string_view code = limit_row(limit).code;
  int number = 0;
  for (char digit : code.substr(code.size() - 3)) number = number * 10 + (digit - '0');
  return number;
}

// A thread that runs Python needs room for its recursion limit in C frames.
constexpr std::size_t kThreadStackBytes = 8 * 1024 * 1024;
static_assert(kThreadStackBytes >= 2 * 1024 * 1024,
              "below 2 MiB CPython stops at a few hundred nested C calls");

// Relations of the defaults. Those between values that are set are checked in corral/config.py.
static_assert(HttpLimits{}.header_bytes_max > HttpLimits{}.request_line_bytes_max,
              "a request line at its limit must leave room for headers");
static_assert(HttpLimits{}.header_bytes_max >= 4 * HttpLimits{}.header_count_max,
              "as many fields as are allowed must fit: the shortest is \"a:\" CRLF");
static_assert(RequestLimits{}.slow_request_ms < RequestLimits{}.request_time_max_ms,
              "a slow request is written down before its time is over");
static_assert(AdmissionLimits{}.overload_wait_max_ms < AdmissionLimits{}.queue_wait_max_ms,
              "in overload requests are refused sooner than otherwise");
static_assert(HttpLimits{}.body_memory_bytes_max <= HttpLimits{}.body_bytes_max,
              "memory for a body that may not be that large is never used");

constexpr bool rows_are_in_order() {
  for (std::size_t index = 0; index < kLimitRows.size(); ++index) {
    if (kLimitRows[index].limit != static_cast<Limit>(index + 1)) return false;
  }
  return true;
}
static_assert(rows_are_in_order(), "limit_row() finds a row by its place");

}  // namespace corral
