// The authority part of a request, "host[:port]" (RFC 9110 section 7.2): whether it is one, and
// whether two are the same. Pure functions, any thread.
#pragma once

#include <string_view>

namespace corral::http {

// No user information, no empty host, IPv6 in brackets, a port of at most 65535; "host:" with an
// empty port is allowed.
bool is_authority(std::string_view text);

// Equal up to case and an explicit default port ("80" or "443").
bool is_same_authority(std::string_view left, std::string_view right,
                       std::string_view default_port);

}  // namespace corral::http
