#include "http/head_finder.h"

#include <algorithm>

#include "http/bytes.h"
#include "http/parser.h"

namespace corral::http {

HeadFinder::State HeadFinder::refuse(Refusal refusal) {
  refusal_ = refusal;
  return State::refused;
}

HeadFinder::State HeadFinder::find(std::string_view bytes) {
  const std::size_t stop = scan_->find_stop(bytes.data(), bytes.size(), seen_);
  if (stop < bytes.size()) {
    const bool line_feed = bytes[stop] == '\n';
    if (line_feed && stop > 0 && bytes[stop - 1] == '\r') {
      seen_ = stop + 1;
      return State::found;
    }
    if (const Refusal refusal = check_beginning(bytes.substr(0, stop))) return refuse(refusal);
    return refuse({400, line_feed ? "bare LF in the head" : "bare CR in the head"});
  }
  seen_ = stop;
  if (const Refusal refusal = check_beginning(bytes)) return refuse(refusal);
  return State::more;
}

// What can be said of a head whose end is not in sight.
Refusal HeadFinder::check_beginning(std::string_view bytes) {
  if (bytes == "\r") return {};
  const std::string_view head = bytes.substr(count_leading_bytes(bytes));
  if (const Refusal refusal = check_method(head)) return refusal;
  if (const Refusal refusal = check_request_line(head)) return refusal;
  if (bytes.size() >= limits_->header_bytes_max)
    return {431, "head over its limit", Limit::header_bytes};
  return {};
}

// A request begins with a method and a space; a TLS handshake does not.
Refusal HeadFinder::check_method(std::string_view head) {
  while (!method_ended_ && method_bytes_ < head.size()) {
    const char byte = head[method_bytes_];
    if (byte == ' ' && method_bytes_ > 0) {
      method_ended_ = true;
      break;
    }
    if (!is_in(byte, kTokenByte)) return {400, "bytes that cannot begin a request"};
    if (++method_bytes_ > kMethodBytesMax) return {501, "method longer than any known"};
  }
  return {};
}

// Once, when so much has come that the line must have ended.
Refusal HeadFinder::check_request_line(std::string_view head) {
  const std::size_t line_bytes_max = limits_->request_line_bytes_max + 2;
  if (line_checked_ || head.size() < line_bytes_max) return {};
  line_checked_ = true;
  if (head.substr(0, line_bytes_max).find('\n') == std::string_view::npos)
    return {414, "request line over its limit", Limit::request_line};
  return {};
}

}  // namespace corral::http
