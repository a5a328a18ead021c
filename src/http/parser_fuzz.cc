// One fuzzing input: a request head, and what follows it read as a chunked body. Aborts when an
// invariant of the parser breaks, whether or not the input is valid. How to run it: fuzz/README.md.
// parser_mutation_test.cc runs the same checks.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/head_finder.h"
#include "http/parser.h"

namespace corral::http {
namespace {

// Small, so that inputs of a few hundred bytes reach them.
HttpLimits make_fuzz_limits() {
  HttpLimits limits;
  limits.request_line_bytes_max = 256;
  limits.header_bytes_max = 1024;
  limits.header_count_max = 16;
  limits.chunk_extension_bytes_max = 16;
  limits.body_bytes_max = 4096;
  return limits;
}

// A block of exactly this size, so that a sanitizer sees a read one byte past it.
class ExactBytes {
 public:
  explicit ExactBytes(std::string_view bytes)
      : bytes_(new char[bytes.size()]), size_(bytes.size()) {
    if (size_ > 0) std::memcpy(bytes_.get(), bytes.data(), size_);
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

bool is_inside(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char byte) {
    return byte != '\t' && (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f);
  });
}

struct Finding {
  HeadFinder::State state = HeadFinder::State::more;
  std::size_t head_bytes = 0;
  bool operator==(const Finding&) const = default;
};

// In prefixes that grow by `step_bytes`, each a block of its own.
Finding find_in_steps(std::string_view bytes, std::size_t step_bytes, const HttpLimits& limits,
                      const scan::Variant& variant) {
  HeadFinder finder(limits, variant);
  Finding finding;
  for (std::size_t size = 0; finding.state == HeadFinder::State::more;) {
    const ExactBytes prefix(bytes.substr(0, size));
    finding.state = finder.find(prefix.view());
    if (size == bytes.size()) break;
    size = std::min(size + step_bytes, bytes.size());
  }
  if (finding.state == HeadFinder::State::found) finding.head_bytes = finder.head_bytes();
  CORRAL_CHECK((finding.state == HeadFinder::State::refused) == (finder.refusal().status != 0),
               "state and refusal of a finder");
  return finding;
}

struct Beginning {
  Finding whole;
  bool refused_when_cut = false;  // a head that is found when it comes at once
};

// However the bytes are cut and whichever variant looks at them, the outcome is the same; but what
// comes in pieces may be refused before its end shows.
Beginning check_beginning(std::string_view bytes, const HttpLimits& limits) {
  Beginning beginning{find_in_steps(bytes, bytes.size() + 1, limits, scan::scalar())};
  const Finding& whole = beginning.whole;
  for (const scan::Variant* variant : scan::variants()) {
    CORRAL_CHECK(find_in_steps(bytes, bytes.size() + 1, limits, *variant) == whole, variant->name);
    for (std::size_t step_bytes : {1, 5}) {
      const Finding cut = find_in_steps(bytes, step_bytes, limits, *variant);
      const bool early =
          whole.state == HeadFinder::State::found && cut.state == HeadFinder::State::refused;
      CORRAL_CHECK(cut == whole || early, "a head that comes in pieces ends elsewhere");
      beginning.refused_when_cut |= early;
    }
  }
  CORRAL_CHECK(whole.state != HeadFinder::State::found ||
                   bytes.substr(0, whole.head_bytes).ends_with("\r\n\r\n"),
               "a head without its end");
  return beginning;
}

bool has_bare_line_end(std::string_view head) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '\r' && (i + 1 == head.size() || head[i + 1] != '\n')) return true;
    if (head[i] == '\n' && (i == 0 || head[i - 1] != '\r')) return true;
  }
  return false;
}

void check_accepted(const Request& request, const HttpLimits& limits) {
  CORRAL_CHECK(is_token(request.method) && request.method != "CONNECT", "method");
  CORRAL_CHECK(request.headers.size() <= limits.header_count_max, "header count");
  CORRAL_CHECK(request.version_minor == 0 || !request.host.empty(), "no host in 1.1");
  CORRAL_CHECK(request.path.size() <= request.raw_path.size(), "path longer than its raw form");
  CORRAL_CHECK(!request.path.empty() &&
                   (request.path[0] == '/' || request.path == "*" || request.raw_path[0] == '/'),
               "path form");
  CORRAL_CHECK(!has_bare_line_end(request.head), "bare CR or LF in an accepted head");
  int lengths = 0, codings = 0;
  for (const Header& header : request.headers) {
    CORRAL_CHECK(is_inside(header.name, request.head) && is_inside(header.value, request.head),
                 "stray view");
    CORRAL_CHECK(is_token(header.name) && header.name.find('_') == std::string_view::npos,
                 "header name");
    CORRAL_CHECK(!has_control(header.value), "control byte in a value");
    lengths += header.id == HeaderId::content_length;
    codings += header.id == HeaderId::transfer_encoding;
  }
  CORRAL_CHECK(lengths + codings <= 1, "two framings");
  CORRAL_CHECK((request.framing == BodyFraming::length) == (lengths == 1), "length framing");
  CORRAL_CHECK((request.framing == BodyFraming::chunked) == (codings == 1), "chunked framing");
}

// What was accepted and is written plainly again means the same.
void check_round_trip(const Request& request) {
  if (request.target[0] != '/') return;
  Request again;
  again.head.append(request.method).append(" ").append(request.target).append(" HTTP/1.");
  again.head.append(request.version_minor == 0 ? "0\r\n" : "1\r\n");
  for (const Header& header : request.headers) {
    again.head.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  again.head.append("\r\n");
  CORRAL_CHECK(!parse_head(again, HttpLimits()), "the plain form of an accepted head is refused");
  CORRAL_CHECK(again.path == request.path && again.query == request.query, "round trip: target");
  CORRAL_CHECK(again.framing == request.framing && again.content_length == request.content_length,
               "round trip: framing");
  CORRAL_CHECK(
      again.keep_alive == request.keep_alive && again.headers.size() == request.headers.size(),
      "round trip: headers");
}

// All variants of the scans read a head alike.
void check_variants(std::string_view head, const Refusal& refusal, std::size_t headers,
                    const HttpLimits& limits) {
  for (const scan::Variant* variant : scan::variants()) {
    Request request;
    request.head.assign(head);
    const Refusal again = parse_head(request, limits, *variant);
    CORRAL_CHECK(again.status == refusal.status && !std::strcmp(again.reason, refusal.reason) &&
                     request.headers.size() == headers,
                 variant->name);
  }
}

bool check_head(std::string_view head, const HttpLimits& limits) {
  Request request;
  request.head.reserve(head.size());
  request.head.assign(head);
  const Refusal refusal = parse_head(request, limits);
  check_variants(head, refusal, request.headers.size(), limits);
  if (refusal) {
    CORRAL_CHECK(refusal.status >= 400 && refusal.status <= 505 && *refusal.reason != '\0',
                 "refusal");
    return false;
  }
  check_accepted(request, limits);
  check_round_trip(request);
  return true;
}

// What the finder refuses early must not be accepted when it is whole: a head that ends later than
// where the finder gave up.
void check_refused_early(std::string_view bytes, const HttpLimits& limits) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return;
  Request request;
  request.head.assign(bytes.substr(0, end + 4));
  CORRAL_CHECK(parse_head(request, limits), "refused early, accepted when whole");
}

struct Decoded {
  ChunkedDecoder::State state = ChunkedDecoder::State::more;
  std::size_t consumed = 0;
  std::string body;
  int status = 0;
  bool operator==(const Decoded&) const = default;
};

Decoded decode_in_steps(std::string_view bytes, std::size_t step_bytes, const HttpLimits& limits) {
  ChunkedDecoder decoder(limits);
  Decoded decoded;
  while (decoded.state == ChunkedDecoder::State::more && decoded.consumed < bytes.size()) {
    const ExactBytes piece(bytes.substr(decoded.consumed, step_bytes));
    const ChunkedDecoder::Step step = decoder.decode(piece.view(), decoded.body);
    decoded.state = step.state;
    decoded.consumed += step.consumed;
    CORRAL_CHECK(step.state != ChunkedDecoder::State::more || step.consumed == piece.view().size(),
                 "bytes left over");
  }
  decoded.status = decoder.refusal().status;
  CORRAL_CHECK((decoded.state == ChunkedDecoder::State::refused) == (decoded.status != 0),
               "state and refusal");
  CORRAL_CHECK(decoded.body.size() <= decoded.consumed, "more body than bytes");
  return decoded;
}

Decoded check_chunked(std::string_view bytes, const HttpLimits& limits) {
  const Decoded whole = decode_in_steps(bytes, bytes.size() + 1, limits);
  for (std::size_t step_bytes : {1, 2, 7}) {
    CORRAL_CHECK(decode_in_steps(bytes, step_bytes, limits) == whole,
                 "chunks read differently when split");
  }
  return whole;
}

struct Outcome {
  bool has_head = false;
  bool head_accepted = false;
  ChunkedDecoder::State body = ChunkedDecoder::State::more;
};

Outcome check_input(std::string_view input) {
  const HttpLimits limits = make_fuzz_limits();
  const ExactBytes bytes(input);
  Outcome outcome;
  const Beginning beginning = check_beginning(bytes.view(), limits);
  outcome.has_head = beginning.whole.state == HeadFinder::State::found;
  if (!outcome.has_head) {
    check_refused_early(bytes.view(), limits);
    return outcome;
  }
  const std::size_t end = beginning.whole.head_bytes;
  outcome.head_accepted = check_head(bytes.view().substr(0, end), limits);
  CORRAL_CHECK(!beginning.refused_when_cut || !outcome.head_accepted,
               "refused in pieces, accepted when whole");
  outcome.body = check_chunked(bytes.view().substr(end), limits).state;
  return outcome;
}

}  // namespace
}  // namespace corral::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  corral::http::check_input({reinterpret_cast<const char*>(data), size});
  return 0;
}

#ifdef CORRAL_FUZZ_MAIN
// Without libFuzzer: runs the files named on the command line once each.
int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    CORRAL_CHECK(!file.bad() && file.is_open(), "cannot read an input file");
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  return 0;
}
#endif
