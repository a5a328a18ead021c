// The id of a request, by which the records of a proxy, of Corral and of the application about it
// are found: in the X-Request-ID header of the request, and of the response.
//
// One that a trusted peer sent is kept. Everybody else's is replaced, so that nobody outside can
// choose what a record says.
//
// Any thread. An id made here is 32 hexadecimal digits. It is unique among the first 2^64 ids of a
// RequestIds, and among several, also of other nodes, as far as their 64 random bits differ: of a
// million processes two are alike with a chance of one in forty million. It tells nothing of how
// many came before, but is no secret: who knows many of them can compute others.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace corral::http {

struct Request;

constexpr std::size_t kRequestIdBytes = 32;  // of one made here
constexpr std::size_t kRequestIdBytesMax = 128;

// 1 to kRequestIdBytesMax letters, digits and . _ ~ + / = - : what ids are made of (UUIDs, base64,
// trace ids), and nothing that has a meaning in a header, a log or a page.
bool is_request_id(std::string_view text);

// One made here, together with the line of the response that says it.
class OwnRequestId {
 public:
  char* data() { return line_.data() + kPrefix.size(); }
  std::string_view view() const { return {line_.data() + kPrefix.size(), kRequestIdBytes}; }
  std::string_view line() const { return {line_.data(), line_.size()}; }

  static constexpr std::string_view kPrefix = "X-Request-ID: ";

 private:
  using Line = std::array<char, kPrefix.size() + kRequestIdBytes + 2>;
  static constexpr Line make_line() {
    Line line{};
    std::copy(kPrefix.begin(), kPrefix.end(), line.begin());
    line[line.size() - 2] = '\r';
    line[line.size() - 1] = '\n';
    return line;
  }
  Line line_ = make_line();
};

class RequestIds {
 public:
  // For this process: after a fork it is too late.
  RequestIds();

  void make(OwnRequestId& id);

  // Gives the request, whose head has been parsed, its id. Afterwards it has exactly one
  // X-Request-ID header, with that value.
  enum class Peer { trusted, stranger };
  void settle(Request& request, Peer peer);

 private:
  std::atomic<std::uint64_t> next_;
  std::uint64_t factor_;                 // constant; odd
  std::array<char, 16> process_digits_;  // constant
};

}  // namespace corral::http
