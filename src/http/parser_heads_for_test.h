// Heads for the tests of the parser.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "http/parser.h"

namespace corral::http {

// A head with these fields besides Host.
inline std::string get_with(const std::string& fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

inline std::string get_target(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

inline std::string get_host(const std::string& host) {
  return "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
}

// With the best variant of the scans, after all others have said the same.
inline Refusal parse(Request& request, const std::string& head, const HttpLimits& limits = {}) {
  Refusal refusal;
  for (const scan::Variant* variant : scan::variants()) {
    Refusal before = refusal;
    request.reset();
    request.head = head;
    refusal = parse_head(request, limits, *variant);
    if (variant == &scan::scalar()) before = refusal;
    EXPECT_EQ(refusal.status, before.status) << variant->name;
    EXPECT_STREQ(refusal.reason, before.reason) << variant->name;
  }
  return refusal;
}

inline int status_of(const std::string& head, const HttpLimits& limits = {}) {
  Request request;
  return parse(request, head, limits).status;
}

}  // namespace corral::http
