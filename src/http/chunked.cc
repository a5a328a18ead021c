// The chunked coding, byte-exact at any split of its input.
#include <algorithm>
#include <iterator>
#include <string>

#include "base/check.h"
#include "http/bytes.h"
#include "http/parser.h"

namespace corral::http {
namespace {

constexpr int kSizeDigitsMax = 16;  // what a 64-bit size can need, leading zeros included

// Beyond so many bytes, extensions may in all take no more than the data: each chunk by itself may
// have one, but a body is not made of them.
constexpr std::uint64_t kExtensionBytesFree = 16 * 1024;

// What must not come after the body (RFC 9110 section 6.5.1): framing, routing, authentication,
// modifiers and controls of the request, and how its content is to be read. Whoever merged such a
// trailer into the headers would answer another request than was checked, so none is kept. Those
// that frame a body or name the host are refused besides, in find_trailer_fault(). The names are
// sorted.
constexpr std::string_view kNeverTrailers[] = {"accept",
                                               "accept-charset",
                                               "accept-encoding",
                                               "accept-language",
                                               "age",
                                               "authorization",
                                               "cache-control",
                                               "connection",
                                               "content-encoding",
                                               "content-length",
                                               "content-location",
                                               "content-range",
                                               "content-type",
                                               "cookie",
                                               "expect",
                                               "forwarded",
                                               "host",
                                               "if-match",
                                               "if-modified-since",
                                               "if-none-match",
                                               "if-range",
                                               "if-unmodified-since",
                                               "keep-alive",
                                               "max-forwards",
                                               "origin",
                                               "pragma",
                                               "proxy",
                                               "proxy-authorization",
                                               "proxy-connection",
                                               "range",
                                               "referer",
                                               "te",
                                               "trailer",
                                               "transfer-encoding",
                                               "upgrade",
                                               "user-agent",
                                               "via",
                                               "x-forwarded-for",
                                               "x-forwarded-host",
                                               "x-forwarded-proto",
                                               "x-request-id"};
static_assert(std::is_sorted(std::begin(kNeverTrailers), std::end(kNeverTrailers)));

// Why a trailer field is refused; nullptr when it is not.
const char* find_trailer_fault(std::string_view name) {
  if (!is_token(name)) return "malformed trailer field";
  switch (find_header_id(name)) {
    case HeaderId::content_length:
    case HeaderId::transfer_encoding:
    case HeaderId::host:
      return "framing or routing field in the trailers";
    default:
      return nullptr;
  }
}

}  // namespace

bool may_be_trailer(std::string_view name) {
  std::string spelled(name);
  for (char& byte : spelled) byte = byte == '_' ? '-' : to_lower(byte);
  return !std::binary_search(std::begin(kNeverTrailers), std::end(kNeverTrailers), spelled);
}

void ChunkedDecoder::reset() {
  phase_ = Phase::size;
  left_ = 0;
  digits_ = 0;
  data_bytes_ = all_extension_bytes_ = 0;
  extension_bytes_ = 0;
  trailer_bytes_ = trailer_count_ = trailer_begin_ = 0;
  trailers_.clear();
  refusal_ = {};
}

ChunkedDecoder::State ChunkedDecoder::refuse(int status, const char* reason, Limit limit) {
  refusal_ = {status, reason, limit};
  return State::refused;
}

ChunkedDecoder::Step ChunkedDecoder::decode_piece(std::string_view input, std::string_view& data) {
  CORRAL_CHECK(phase_ != Phase::done, "decode after the end of the body; reset() comes first");
  std::size_t at = 0;
  while (at < input.size() && !refusal_) {
    if (phase_ == Phase::data) {
      const std::size_t count = std::min<std::uint64_t>(left_, input.size() - at);
      data = input.substr(at, count);
      at += count;
      left_ -= count;
      data_bytes_ += count;
      if (left_ == 0) phase_ = Phase::data_cr;
      return {State::more, at};
    }
    if (take(input[at]) == State::refused) break;
    ++at;
    if (phase_ == Phase::done) return {State::done, at};
  }
  return {refusal_ ? State::refused : State::more, at};
}

// One byte of framing.
ChunkedDecoder::State ChunkedDecoder::take(char byte) {
  switch (phase_) {
    case Phase::size:
      return take_size(byte);
    case Phase::size_extension:
      return take_extension(byte);
    case Phase::size_lf:
      if (byte != '\n') return refuse(400, "bare CR after a chunk size");
      phase_ = left_ == 0 ? Phase::trailer_start : Phase::data;
      return State::more;
    case Phase::data_cr:
      if (byte != '\r') return refuse(400, "chunk data not followed by CRLF");
      phase_ = Phase::data_lf;
      return State::more;
    case Phase::data_lf:
      if (byte != '\n') return refuse(400, "chunk data not followed by CRLF");
      phase_ = Phase::size;
      digits_ = 0;
      return State::more;
    case Phase::trailer_start:
    case Phase::trailer_line:
    case Phase::trailer_lf:
      return take_trailer(byte);
    case Phase::final_lf:
      if (byte != '\n') return refuse(400, "bare CR at the end of a chunked body");
      phase_ = Phase::done;
      return State::done;
    case Phase::data:
    case Phase::done:
      break;
  }
  CORRAL_CHECK(false, "a phase without framing bytes");
  return State::refused;
}

ChunkedDecoder::State ChunkedDecoder::take_size(char byte) {
  const int digit = hex_value(byte);
  if (digit >= 0) {
    if (++digits_ > kSizeDigitsMax) return refuse(400, "chunk size with too many digits");
    left_ = left_ << 4 | static_cast<std::uint64_t>(digit);
    // Each chunk counts alone here; their sum is the caller's.
    if (left_ > limits_->body_bytes_max)
      return refuse(413, "the body is larger than the limit", Limit::body_bytes);
    return State::more;
  }
  if (digits_ == 0) return refuse(400, "chunk size without digits");
  if (byte == '\r') {
    phase_ = Phase::size_lf;
  } else if (byte == ';') {
    extension_bytes_ = 1;
    extension_.begin();
    phase_ = Phase::size_extension;
  } else {
    return refuse(400, "forbidden byte in a chunk size");
  }
  return State::more;
}

ChunkedDecoder::State ChunkedDecoder::take_extension(char byte) {
  if (byte == '\r') {
    if (!extension_.may_end()) return refuse(400, "malformed chunk extension");
    phase_ = Phase::size_lf;
    return State::more;
  }
  if (!is_in(byte, kFieldByte)) return refuse(400, "control byte or bare LF in a chunk extension");
  if (!extension_.take(byte)) return refuse(400, "malformed chunk extension");
  if (++extension_bytes_ > limits_->chunk_extension_bytes_max ||
      ++all_extension_bytes_ > kExtensionBytesFree + data_bytes_) {
    return refuse(400, "chunk extension over its limit", Limit::chunk_extension);
  }
  return State::more;
}

ChunkedDecoder::State ChunkedDecoder::take_trailer(char byte) {
  if (++trailer_bytes_ > limits_->header_bytes_max)
    return refuse(431, "trailers over the header limit", Limit::header_bytes);
  if (phase_ == Phase::trailer_lf) {
    if (byte != '\n') return refuse(400, "bare CR in the trailers");
    return keep_trailer();
  }
  if (byte == '\r') {
    phase_ = phase_ == Phase::trailer_start ? Phase::final_lf : Phase::trailer_lf;
    return State::more;
  }
  if (!is_in(byte, kFieldByte)) return refuse(400, "control byte or bare LF in the trailers");
  trailers_ += byte;
  phase_ = Phase::trailer_line;
  return State::more;
}

// A whole line has been read; its bytes are field bytes.
ChunkedDecoder::State ChunkedDecoder::keep_trailer() {
  phase_ = Phase::trailer_start;
  const std::string_view line = std::string_view(trailers_).substr(trailer_begin_);
  const std::string_view name = line.substr(0, line.find(':'));
  if (name.size() == line.size()) return refuse(400, "malformed trailer field");
  if (const char* fault = find_trailer_fault(name)) return refuse(400, fault);
  if (++trailer_count_ > limits_->header_count_max)
    return refuse(431, "more trailer fields than the limit of headers", Limit::header_count);
  bool kept = may_be_trailer(name);
  if (name.find('_') != std::string_view::npos) {
    const Underscored judged = judge_underscored(name, limits_->underscore_headers);
    if (judged == Underscored::refuse)
      return refuse(400, "underscore in the name of a trailer field");
    kept = kept && judged == Underscored::keep;
  }
  if (!kept) {
    trailers_.resize(trailer_begin_);
    return State::more;
  }
  trailers_ += '\n';
  trailer_begin_ = trailers_.size();
  return State::more;
}

void ChunkedDecoder::give_trailers(Request& request) {
  CORRAL_CHECK(phase_ == Phase::done, "trailers of an unfinished body");
  request.trailers.clear();
  request.trailer_block.swap(trailers_);
  std::string_view rest = request.trailer_block;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    request.trailers.push_back({find_header_id(name), name, trim_blanks(line.substr(colon + 1))});
    rest.remove_prefix(line.size() + 1);
  }
}

}  // namespace corral::http
