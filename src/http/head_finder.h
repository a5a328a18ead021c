// Finds the end of a request's head while its bytes come in, and refuses early what cannot become
// one, so that memory and patience are bounded.
//
// State of a few words, no bytes of its own. Each byte is looked at a fixed number of times however
// the head is cut: a dribbled one costs linear time. Any thread, one call at a time per object.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/limits.h"
#include "http/refusal.h"
#include "http/scan.h"

namespace corral::http {

class HeadFinder {
 public:
  enum class State { more, found, refused };

  explicit HeadFinder(const HttpLimits& limits, const scan::Variant& variant = scan::best())
      : limits_(&limits), scan_(&variant) {}

  // `bytes`: all that has come since reset(), beginning with the head. What was there at the last
  // call is there unchanged. After `found` or `refused` the next call must be reset().
  State find(std::string_view bytes);

  std::size_t head_bytes() const { return seen_; }  // after `found`: through its CR LF CR LF
  const Refusal& refusal() const { return refusal_; }

  void reset() {
    seen_ = method_bytes_ = 0;
    method_ended_ = line_checked_ = false;
    refusal_ = {};
  }

 private:
  State refuse(Refusal refusal);
  Refusal check_beginning(std::string_view bytes);
  Refusal check_method(std::string_view head);
  Refusal check_request_line(std::string_view head);

  const HttpLimits* limits_;
  const scan::Variant* scan_;
  std::size_t seen_ = 0;          // searched for line ends
  std::size_t method_bytes_ = 0;  // token bytes at the beginning
  bool method_ended_ = false;     // by a space
  bool line_checked_ = false;     // the request line ends within its limit
  Refusal refusal_;
};

}  // namespace corral::http
