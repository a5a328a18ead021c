#include "http/response.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/clock.h"
#include "http/bytes.h"
#include "http/parser.h"
#include "http/request.h"

namespace corral::http {
namespace {

constexpr std::string_view kVersion = "HTTP/1.1 ";
constexpr std::size_t kUsualHeadBytes = 512;

bool is_field_text(std::string_view text) {
  return skip_field_bytes(text.data(), text.data() + text.size()) == text.data() + text.size();
}

// For messages: what is wrong with a header is shown without its hostile bytes.
std::string quote(std::string_view text) {
  std::string quoted = "'";
  for (char byte : text.substr(0, 80)) quoted += byte >= 0x20 && byte < 0x7f ? byte : '?';
  return quoted + "'";
}

// PEP 3333: these belong to the connection, not to the response. (RFC 2616 section 13.5.1, as in
// wsgiref.util.)
bool is_hop_by_hop(std::string_view name) {
  constexpr unsigned kSizes =
      1u << 2 | 1u << 7 | 1u << 8 | 1u << 10 | 1u << 16 | 1u << 17 | 1u << 18 | 1u << 19;
  if (name.size() >= 20 || (kSizes >> name.size() & 1) == 0) return false;
  constexpr std::array<std::string_view, 9> kNames = {
      "connection",       "keep-alive", "proxy-authenticate", "proxy-authorization",
      "proxy-connection", "te",         "trailers",           "transfer-encoding",
      "upgrade"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view hop) { return equals_lower(name, hop); });
}

Result<void> check_form(std::string_view name, std::string_view value) {
  if (!is_token(name)) return Error{"response header name " + quote(name) + " is not a token"};
  if (!is_field_text(value))
    return Error{"the value of response header " + quote(name) + " holds a control character"};
  return {};
}

bool forbids_body(int status) { return status < 200 || status == 204 || status == 304; }

// Where no body may be, RFC 9110 section 8.6: none in a 204. In a 304 it is that of the 200, as the
// application says; but 0 is what a middleware counted that found no body here, and a cache would
// believe it. -1: none.
std::int64_t allowed_length(int status, std::int64_t declared) {
  return status == 304 && declared > 0 ? declared : -1;
}

void append_number(std::string& bytes, std::uint64_t number) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  bytes.append(digits, static_cast<std::size_t>(end - digits));
}

void append_status_line(std::string& bytes, int status) {
  bytes.append(kVersion);
  append_number(bytes, static_cast<std::uint64_t>(status));
  bytes += ' ';
  bytes.append(reason_phrase(status));
  bytes.append("\r\n");
}

void put_two_digits(char* at, unsigned number) {
  at[0] = static_cast<char>('0' + number / 10 % 10);
  at[1] = static_cast<char>('0' + number % 10);
}

// -1 when it is not one number that fits.
std::int64_t parse_content_length(std::string_view text) {
  std::int64_t length = -1;
  const bool digit_first = !text.empty() && text[0] >= '0' && text[0] <= '9';
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  return digit_first && error == std::errc() && end == text.data() + text.size() ? length : -1;
}

}  // namespace

void ResponseHead::reset() {
  bytes_.clear();
  status_ = 0;
  content_length_ = -1;
  has_date_ = has_server_ = has_request_id_ = wants_close_ = false;
  keep_alive_ = true;
  framing_ = ResponseFraming::none;
}

Result<void> ResponseHead::set_status(std::string_view status) {
  const auto is_digit = [](char byte) { return byte >= '0' && byte <= '9'; };
  const bool formed = status.size() >= 4 && is_digit(status[0]) && is_digit(status[1]) &&
                      is_digit(status[2]) && status[3] == ' ';
  if (!formed)
    return Error{"status " + quote(status) + " is not three digits, a space and a reason"};
  if (!is_field_text(status))
    return Error{"status " + quote(status) + " holds a control character"};
  if (status[0] < '2')
    return Error{"status " + quote(status) + " is not final: the first digit must be 2 to 9"};
  reset();
  status_ = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
  bytes_.reserve(kUsualHeadBytes);
  bytes_.append(kVersion).append(status).append("\r\n");
  return {};
}

Result<void> ResponseHead::add_header(std::string_view name, std::string_view value) {
  CORRAL_CHECK(has_status(), "a header before the status");
  if (Result<void> formed = check_form(name, value); !formed) return formed;
  if (equals_lower(name, "content-length")) {
    if (content_length_ >= 0) return Error{"a second Content-Length in the response"};
    content_length_ = parse_content_length(value);
    if (content_length_ < 0) return Error{"Content-Length " + quote(value) + " is not one number"};
    return {};  // written by finish(), where it is known whether it may be
  }
  if (is_hop_by_hop(name)) {
    if (equals_lower(name, "connection")) {
      if (equals_lower(value, "close")) return wants_close_ = true, Result<void>();
      if (equals_lower(value, "keep-alive"))
        return {};  // what is done anyway; common in event streams
    }
    return Error{"hop-by-hop response header " + quote(name) + " belongs to the server"};
  }
  if (equals_lower(name, "date")) has_date_ = true;
  if (equals_lower(name, "server")) has_server_ = true;
  if (equals_lower(name, "x-request-id")) has_request_id_ = true;
  bytes_.append(name).append(": ").append(value).append("\r\n");
  return {};
}

void ResponseHead::finish(const Request& request, std::int64_t known_length, bool may_keep,
                          std::string_view server_line) {
  CORRAL_CHECK(has_status(), "a response without a status");
  const bool is_head = request.method == "HEAD";
  // The body of a HEAD response is never sent, but its length may be told; 0 more likely means that
  // nothing was made.
  std::int64_t length = content_length_ >= 0 ? content_length_ : known_length;
  if (is_head && content_length_ < 0 && known_length <= 0) length = -1;
  keep_alive_ = may_keep && request.keep_alive && !wants_close_;
  if (forbids_body(status_)) {
    framing_ = ResponseFraming::none;
    length = allowed_length(status_, content_length_);
  } else if (is_head) {
    framing_ = ResponseFraming::none;
  } else if (length >= 0) {
    framing_ = ResponseFraming::length;
  } else if (request.version_minor >= 1) {
    framing_ = ResponseFraming::chunked;
    bytes_.append("Transfer-Encoding: chunked\r\n");
  } else {
    framing_ = ResponseFraming::close;
    keep_alive_ = false;
  }
  if (length >= 0) {
    bytes_.append("Content-Length: ");
    append_number(bytes_, static_cast<std::uint64_t>(length));
    bytes_.append("\r\n");
  }
  if (!keep_alive_) bytes_.append("Connection: close\r\n");
  if (keep_alive_ && request.version_minor == 0) bytes_.append("Connection: keep-alive\r\n");
  if (!has_date_) bytes_.append("Date: ").append(http_date()).append("\r\n");
  if (!has_server_) bytes_.append(server_line);
  if (!has_request_id_) append_request_id(bytes_, request);
  bytes_.append("\r\n");
}

Result<void> add_hint(std::string& bytes, std::string_view name, std::string_view value) {
  if (Result<void> formed = check_form(name, value); !formed) return formed;
  if (is_hop_by_hop(name) || equals_lower(name, "content-length"))
    return Error{"header " + quote(name) + " has no place in an interim response"};
  bytes.append(name).append(": ").append(value).append("\r\n");
  return {};
}

std::string plain_response(int status, std::string_view body, std::string_view extra_headers,
                           bool keep_alive, std::string_view server_line) {
  std::string bytes;
  bytes.reserve(192 + extra_headers.size() + body.size());
  append_status_line(bytes, status);
  bytes.append("Content-Type: text/plain\r\nContent-Length: ");
  append_number(bytes, body.size());
  bytes.append("\r\n").append(extra_headers);
  if (!keep_alive) bytes.append("Connection: close\r\n");
  bytes.append("Date: ")
      .append(http_date())
      .append("\r\n")
      .append(server_line)
      .append("\r\n")
      .append(body);
  return bytes;
}

void append_request_id(std::string& bytes, const Request& request) {
  const std::string_view id = request.request_id;
  if (id.data() == request.own_id.view().data()) {
    bytes.append(request.own_id.line());
  } else if (!id.empty()) {
    bytes.append(OwnRequestId::kPrefix).append(id).append("\r\n");
  }
}

void write_http_date(std::int64_t unix_seconds, char (&text)[kHttpDateBytes]) {
  using namespace std::
      chrono;  // NOLINT: calendar arithmetic, without the C library's time zone lock
  const sys_seconds time{seconds{unix_seconds}};
  const sys_days day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  const unsigned year = static_cast<unsigned>(static_cast<int>(date.year()));
  std::memcpy(text, "Sun, 00 Jan 0000 00:00:00 GMT", kHttpDateBytes);
  std::memcpy(text, &"SunMonTueWedThuFriSat"[3 * weekday{day}.c_encoding()], 3);
  put_two_digits(text + 5, static_cast<unsigned>(date.day()));
  std::memcpy(
      text + 8,
      &"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * (static_cast<unsigned>(date.month()) - 1)], 3);
  put_two_digits(text + 12, year / 100);
  put_two_digits(text + 14, year);
  put_two_digits(text + 17, static_cast<unsigned>(clock.hours().count()));
  put_two_digits(text + 20, static_cast<unsigned>(clock.minutes().count()));
  put_two_digits(text + 23, static_cast<unsigned>(clock.seconds().count()));
}

std::string_view http_date() {
  thread_local std::int64_t written_second = std::numeric_limits<std::int64_t>::min();
  thread_local char text[kHttpDateBytes];
  const std::int64_t second = clock_ns(CLOCK_REALTIME_COARSE) / 1'000'000'000;
  if (second != written_second) {
    write_http_date(second, text);
    written_second = second;
  }
  return {text, kHttpDateBytes};
}

std::string_view ChunkHead::write(std::uint64_t size) {
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer - 2, size, 16);
  end[0] = '\r';
  end[1] = '\n';
  return {buffer, static_cast<std::size_t>(end + 2 - buffer)};
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

}  // namespace corral::http
