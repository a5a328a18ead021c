// The head of a request: what it says, and everything that is refused in it.
#include "http/parser.h"

#include <algorithm>
#include <cstring>

#include "http/authority.h"
#include "http/bytes.h"
#include "http/marked_head.h"

namespace corral::http {
namespace {

// `escape` is the place of the first '%'.
void decode_percent(std::string_view raw, std::size_t escape, std::string& decoded) {
  decoded.clear();
  while (escape != std::string_view::npos) {
    decoded.append(raw.substr(0, escape));
    raw.remove_prefix(escape);
    const int high = raw.size() > 2 ? hex_value(raw[1]) : -1;
    const int low = raw.size() > 2 ? hex_value(raw[2]) : -1;
    if (high < 0 || low < 0) {
      decoded += '%';  // not an escape: it stays as it is, as with Python's unquote
      raw.remove_prefix(1);
    } else {
      decoded += static_cast<char>(high << 4 | low);
      raw.remove_prefix(3);
    }
    escape = raw.find('%');
  }
  decoded.append(raw);
}

// Digits only, and no leading zero, which some take for octal. False also when the number does not
// fit.
bool parse_length(std::string_view text, std::uint64_t& length) {
  if (text.empty() || text.size() > 19) return false;  // 19 digits always fit
  if (text.size() > 1 && text.front() == '0') return false;
  length = 0;
  for (char byte : text) {
    if (byte < '0' || byte > '9') return false;
    length = length * 10 + static_cast<std::uint64_t>(byte - '0');
  }
  return true;
}

class HeadParser {
 public:
  HeadParser(Request& request, const HttpLimits& limits, const scan::Variant& variant)
      : request_(request),
        limits_(limits),
        marked_(request.head, variant),
        at_(request.head.data()),
        end_(at_ + request.head.size()) {}

  Refusal parse();

 private:
  // --- request line
  Refusal read_request_line();
  Refusal read_version();
  Refusal read_target();
  Refusal refuse_connect() const;
  Refusal read_absolute_form(std::size_t scheme_bytes);
  void split_target();
  void decode_path();

  // --- fields
  Refusal read_fields();
  Refusal read_field();
  Refusal keep_field(std::string_view name, std::string_view value, bool blank_after);
  Refusal note_field(const Header& header, bool blank_after);
  Refusal note_content_length(std::string_view value, bool blank_after);
  Refusal note_transfer_encoding(std::string_view value, bool blank_after);
  void note_connection(std::string_view value);

  // --- what they mean together
  Refusal settle_host();
  Refusal settle_framing();
  Refusal settle_expectation();

  Request& request_;
  const HttpLimits& limits_;
  MarkedHead marked_;
  const char* at_;
  const char* const end_;  // the NUL of request.head

  const char* plain_end_ = nullptr;  // the first '?' or '%' of the target, or its end
  std::string_view authority_;       // of an absolute-form target
  bool has_host_ = false;
  bool has_length_ = false;
  bool has_coding_ = false;
  bool close_ = false;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  bool expects_other_ = false;
};

Refusal HeadParser::parse() {
  request_.headers.clear();
  request_.method = request_.target = request_.raw_path = request_.query = request_.host = {};
  request_.path = {};
  request_.framing = BodyFraming::none;
  request_.content_length = 0;
  request_.expects_continue = false;
  request_.keep_alive = false;
  request_.version_minor = 1;
  if (request_.head.size() > limits_.header_bytes_max)
    return {431, "head over its limit", Limit::header_bytes};
  at_ += count_leading_bytes(request_.head);
  if (const Refusal refusal = read_request_line()) return refusal;
  if (const Refusal refusal = read_fields()) return refusal;
  if (const Refusal refusal = settle_host()) return refusal;
  if (const Refusal refusal = settle_framing()) return refusal;
  request_.keep_alive = !close_ && (request_.version_minor == 1 || keep_alive_);
  return settle_expectation();
}

Refusal HeadParser::read_request_line() {
  const char* const line = at_;
  at_ = marked_.skip_token(at_);
  request_.method = {line, static_cast<std::size_t>(at_ - line)};
  if (request_.method.empty()) return {400, "no method at the start of the request line"};
  if (request_.method.size() > kMethodBytesMax) return {501, "method longer than any known"};
  if (*at_ != ' ') return {400, "forbidden byte in the method"};
  const char* const target = ++at_;
  plain_end_ = skip_class(at_, kPlainTargetByte);
  at_ = skip_class(plain_end_, kTargetByte);
  request_.target = {target, static_cast<std::size_t>(at_ - target)};
  const auto is_long = [&] {
    return static_cast<std::size_t>(at_ - line) > limits_.request_line_bytes_max;
  };
  if (is_long()) return {414, "request line over its limit", Limit::request_line};
  if (request_.target.empty()) return {400, "no target in the request line"};
  if (*at_ == '\r') return {400, "no version in the request line"};
  if (*at_ != ' ') return {400, "forbidden byte in the target"};
  ++at_;
  if (const Refusal refusal = read_version()) return refusal;
  if (is_long()) return {414, "request line over its limit", Limit::request_line};
  at_ += 2;
  return read_target();
}

// Leaves at_ on the line's CR.
Refusal HeadParser::read_version() {
  const auto is_digit = [](char byte) { return byte >= '0' && byte <= '9'; };
  if (end_ - at_ < 10 || std::memcmp(at_, "HTTP/", 5) != 0 || !is_digit(at_[5]) || at_[6] != '.' ||
      !is_digit(at_[7]) || at_[8] != '\r' || at_[9] != '\n') {
    return {400, "malformed version, or bytes after it"};
  }
  if (at_[5] != '1' || at_[7] > '1') return {505, "neither HTTP/1.0 nor HTTP/1.1"};
  request_.version_minor = at_[7] - '0';
  at_ += 8;
  return {};
}

Refusal HeadParser::read_target() {
  const std::string_view target = request_.target;
  if (request_.method == "CONNECT") return refuse_connect();
  if (target.front() == '/') {
    split_target();
    return {};
  }
  if (target == "*") {
    if (request_.method != "OPTIONS")
      return {400, "asterisk-form target with a method other than OPTIONS"};
    split_target();
    return {};
  }
  if (equals_lower(target.substr(0, 7), "http://")) return read_absolute_form(7);
  // RFC 9110 section 7.4: what is asked for under https must have come over TLS.
  if (equals_lower(target.substr(0, 8), "https://"))
    return {421, "https target on a connection without TLS"};
  return {400, "malformed target, or one of a form that does not fit the method"};
}

// Its target is an authority with a port (RFC 9112 section 3.2.3); there is nobody to connect to.
Refusal HeadParser::refuse_connect() const {
  const std::string_view target = request_.target;
  if (!is_authority(target) || target.back() == ']' || target.find(':') == std::string_view::npos ||
      target.back() == ':') {
    return {400, "CONNECT with a target other than host and port"};
  }
  return {501, "CONNECT: this is not a proxy"};
}

Refusal HeadParser::read_absolute_form(std::size_t scheme_bytes) {
  const std::string_view rest = request_.target.substr(scheme_bytes);
  const std::size_t authority_bytes = std::min(rest.find_first_of("/?"), rest.size());
  authority_ = rest.substr(0, authority_bytes);
  if (!is_authority(authority_)) return {400, "invalid authority in the target"};
  request_.target = rest.substr(authority_bytes);
  split_target();
  if (!request_.raw_path.empty()) return {};
  // Nothing after the authority stands for "/", or for the server as a whole (RFC 9112 section
  // 3.2.4). A query alone gets the path that it would have been sent with in origin-form.
  const bool whole_server = request_.method == "OPTIONS" && request_.target.empty();
  request_.decoded_path.assign(whole_server ? "*" : "/").append(request_.target);
  request_.target = request_.decoded_path;
  request_.path = request_.raw_path = request_.target.substr(0, 1);
  return {};
}

void HeadParser::split_target() {
  const std::string_view target = request_.target;
  if (plain_end_ == target.data() + target.size()) {  // most have neither query nor escapes
    request_.raw_path = request_.path = target;
    return;
  }
  const std::size_t mark = target.find('?');
  request_.raw_path = target.substr(0, mark);
  if (mark != std::string_view::npos) request_.query = target.substr(mark + 1);
  decode_path();
}

void HeadParser::decode_path() {
  const std::size_t escape = request_.raw_path.find('%');
  request_.path = request_.raw_path;
  if (escape == std::string_view::npos) return;
  decode_percent(request_.raw_path, escape, request_.decoded_path);
  request_.path = request_.decoded_path;
}

Refusal HeadParser::read_fields() {
  std::size_t count = 0;
  while (*at_ != '\r') {
    if (++count > limits_.header_count_max) {
      return {431, "more header fields than the limit", Limit::header_count};
    }
    if (const Refusal refusal = read_field()) return refusal;
  }
  if (end_ - at_ != 2 || at_[1] != '\n') return {400, "bare CR in the header block"};
  return {};
}

Refusal HeadParser::read_field() {
  const char* const name = at_;
  at_ = marked_.skip_token(at_);
  const std::size_t name_bytes = static_cast<std::size_t>(at_ - name);
  if (name_bytes == 0) {
    if (is_blank(*at_)) return {400, "folded header line"};
    if (*at_ == '\n') return {400, "bare LF in the header block"};
    return {400, "header line without a name"};
  }
  if (is_blank(*at_)) return {400, "white space in or after a header name"};
  if (*at_ != ':') return {400, "forbidden byte in a header name"};
  ++at_;
  while (is_blank(*at_)) ++at_;
  const char* const value = at_;
  at_ = marked_.skip_field(at_);
  if (*at_ == '\n') return {400, "bare LF in the header block"};
  if (*at_ != '\r') return {400, "control byte in a header value"};
  if (at_[1] != '\n') return {400, "bare CR in the header block"};
  const char* value_end = at_;
  while (value_end > value && is_blank(value_end[-1])) --value_end;
  const bool blank_after = value_end != at_;
  at_ += 2;
  return keep_field({name, name_bytes}, {value, static_cast<std::size_t>(value_end - value)},
                    blank_after);
}

Refusal HeadParser::keep_field(std::string_view name, std::string_view value, bool blank_after) {
  const HeaderId id = find_header_id(name);
  if (id == HeaderId::other && name.find('_') != std::string_view::npos) {
    switch (judge_underscored(name, limits_.underscore_headers)) {
      case Underscored::keep:
        break;
      case Underscored::drop:
        return {};
      case Underscored::refuse:
        return {400, "underscore in a header name"};
    }
  }
  request_.headers.push_back({id, name, value});
  return note_field(request_.headers.back(), blank_after);
}

Refusal HeadParser::note_field(const Header& header, bool blank_after) {
  switch (header.id) {
    case HeaderId::host:
      if (has_host_) return {400, "repeated Host"};
      has_host_ = true;
      request_.host = header.value;
      return {};
    case HeaderId::content_length:
      return note_content_length(header.value, blank_after);
    case HeaderId::transfer_encoding:
      return note_transfer_encoding(header.value, blank_after);
    case HeaderId::connection:
      note_connection(header.value);
      return {};
    case HeaderId::expect:
      (equals_lower(header.value, "100-continue") ? expects_continue_ : expects_other_) = true;
      return {};
    default:
      return {};
  }
}

Refusal HeadParser::note_content_length(std::string_view value, bool blank_after) {
  if (has_length_) return {400, "repeated Content-Length"};
  has_length_ = true;
  // White space after the number is legal and nobody sends it; parsers differ on it, so it is
  // refused.
  if (blank_after || !parse_length(value, request_.content_length))
    return {400, "malformed Content-Length"};
  request_.framing = BodyFraming::length;
  return {};
}

// RFC 9112 section 6.1 would have 501 for codings before the final chunked. To whoever understands
// them the body is another one than to us, so they are refused like the rest.
Refusal HeadParser::note_transfer_encoding(std::string_view value, bool blank_after) {
  if (has_coding_) return {400, "repeated Transfer-Encoding"};
  has_coding_ = true;
  if (blank_after || !equals_lower(value, "chunked"))
    return {400, "Transfer-Encoding other than one final chunked"};
  request_.framing = BodyFraming::chunked;
  return {};
}

void HeadParser::note_connection(std::string_view value) {
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    const std::string_view option = trim_blanks(value.substr(0, comma));
    if (equals_lower(option, "close")) close_ = true;
    if (equals_lower(option, "keep-alive")) keep_alive_ = true;
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
}

Refusal HeadParser::settle_host() {
  if (has_host_ && !is_authority(request_.host)) return {400, "invalid Host"};
  if (!has_host_ && request_.version_minor == 1) return {400, "no Host"};
  if (authority_.empty()) return {};
  if (has_host_ && !is_same_authority(authority_, request_.host, "80"))
    return {400, "Host differs from the target's authority"};
  if (!has_host_) request_.host = authority_;
  return {};
}

Refusal HeadParser::settle_framing() {
  if (!has_coding_) return {};
  if (request_.version_minor == 0) return {400, "Transfer-Encoding in HTTP/1.0"};
  if (has_length_) return {400, "Content-Length together with Transfer-Encoding"};
  return {};
}

Refusal HeadParser::settle_expectation() {
  if (request_.version_minor == 0) return {};  // RFC 9110 section 10.1.1: ignored
  if (expects_other_) return {417, "unknown expectation"};
  const bool has_content = request_.framing == BodyFraming::chunked || request_.content_length > 0;
  request_.expects_continue = expects_continue_ && has_content;
  return {};
}

}  // namespace

Refusal parse_head(Request& request, const HttpLimits& limits, const scan::Variant& variant) {
  return HeadParser(request, limits, variant).parse();
}

}  // namespace corral::http
