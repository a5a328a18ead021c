// HTTP/1.1 requests from bytes, after RFC 9112 and RFC 9110: strict, so that no other party can
// read a message differently.
//
// Pure functions and small state over bytes the caller owns: no sockets, no clocks, no Python, no
// allocation beyond the Request's own. Any thread, one call at a time per object.
//
// Order of use, per request: a HeadFinder (head_finder.h) until the head is there, parse_head() on
// it, then by request.framing a ChunkedDecoder or a count of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "http/chunk_extension.h"
#include "http/refusal.h"
#include "http/request.h"
#include "http/scan.h"

namespace corral::http {

// Fills `request` from request.head, which holds exactly one head through its CRLF CRLF. Sets every
// field but `body` and `started_ns`. Refuses: see http/parser_test.cc for the table.
Refusal parse_head(Request& request, const HttpLimits& limits,
                   const scan::Variant& variant = scan::best());

// The chunked coding of RFC 9112 section 7.1, incrementally.
class ChunkedDecoder {
 public:
  enum class State { more, done, refused };
  struct Step {
    State state;
    std::size_t
        consumed;  // bytes of the input used; after `done` the rest belongs to the next request
  };

  explicit ChunkedDecoder(const HttpLimits& limits) : limits_(&limits) {}

  // Decodes from `input`, appending body bytes to `output`. The caller checks the body's size
  // between calls (a call appends at most input.size() bytes; a single chunk over body_bytes_max is
  // refused at its size line). After `done` or `refused` the next call must be reset().
  template <typename Output>  // with append(std::string_view)
  Step decode(std::string_view input, Output& output) {
    Step all{State::more, 0};
    do {
      std::string_view data;
      const Step step = decode_piece(input.substr(all.consumed), data);
      output.append(data);
      all = {step.state, all.consumed + step.consumed};
    } while (all.state == State::more && all.consumed < input.size());
    return all;
  }
  // Not further than to the end of the first body bytes, which `data` is then a view of.
  Step decode_piece(std::string_view input, std::string_view& data);
  const Refusal& refusal() const { return refusal_; }
  // After `done`: moves the trailers, checked like headers and without those that must not be
  // trailers, to the request.
  void give_trailers(Request& request);
  void reset();

 private:
  enum class Phase : std::uint8_t {
    size,
    size_extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer_line,
    trailer_lf,
    final_lf,
    done
  };
  State take(char byte);
  State take_size(char byte);
  State take_extension(char byte);
  State take_trailer(char byte);
  State keep_trailer();
  State refuse(int status, const char* reason, Limit limit = Limit::none);

  const HttpLimits* limits_;
  Phase phase_ = Phase::size;
  std::uint64_t left_ = 0;  // of the current chunk
  int digits_ = 0;
  ChunkExtension extension_;
  std::uint64_t data_bytes_ = 0;           // of all chunks
  std::size_t extension_bytes_ = 0;        // of the current chunk
  std::uint64_t all_extension_bytes_ = 0;  // of all chunks
  std::size_t trailer_bytes_ = 0;
  std::size_t trailer_count_ = 0;
  std::string trailers_;           // the lines to keep, each with its LF, and the one being read
  std::size_t trailer_begin_ = 0;  // of the one being read
  Refusal refusal_;
};

// The wire name of a header id ("content-type"), lower case; and the id of a name in any case, or
// HeaderId::other.
std::string_view header_name(HeaderId id);
HeaderId find_header_id(std::string_view name);

// What becomes of a field whose name has an underscore, by the setting and by what the name would
// be with dashes: Content-Length and Transfer-Encoding are refused, other names with an id never
// kept.
enum class Underscored : std::uint8_t { keep, drop, refuse };
Underscored judge_underscored(std::string_view name, UnderscoreHeaders setting);

// Whether a field of this name is kept when it comes behind a body, in any case, and with
// underscores for dashes.
bool may_be_trailer(std::string_view name);

bool is_token(std::string_view text);  // RFC 9110 section 5.6.2

}  // namespace corral::http
