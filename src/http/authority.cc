#include "http/authority.h"

#include <arpa/inet.h>

#include <cstring>

#include "http/bytes.h"

namespace corral::http {
namespace {

bool is_ipv6(std::string_view text) {
  char copy[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof copy) return false;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  in6_addr address;
  return std::strlen(copy) == text.size() && inet_pton(AF_INET6, copy, &address) == 1;
}

bool is_reg_name(std::string_view text) {
  if (text.empty()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_in(text[i], kHostByte)) continue;
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                        hex_value(text[i + 2]) >= 0;
    if (!escape) return false;
    i += 2;
  }
  return true;
}

bool is_port(std::string_view text) {
  if (text.size() > 5) return false;
  int port = 0;
  for (char byte : text) {
    if (byte < '0' || byte > '9') return false;
    port = port * 10 + (byte - '0');
  }
  return port <= 65535;
}

struct Parts {
  std::string_view host;
  std::string_view port;  // without the colon
};

// Host keeps its brackets.
Parts split(std::string_view authority) {
  const std::size_t bracket = authority.find(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return {authority, {}};
  return {authority.substr(0, colon), authority.substr(colon + 1)};
}

bool equals_ignoring_case(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i)
    if (to_lower(left[i]) != to_lower(right[i])) return false;
  return true;
}

}  // namespace

bool is_authority(std::string_view text) {
  std::size_t plain = 0;
  while (plain < text.size() && is_in(text[plain], kHostByte)) ++plain;
  if (plain == text.size()) return plain > 0;
  if (plain > 0 && text[plain] == ':') return is_port(text.substr(plain + 1));
  const Parts parts = split(text);  // an address in brackets, or a name with escapes
  if (!is_port(parts.port)) return false;
  if (!parts.host.starts_with('[')) return is_reg_name(parts.host);
  return parts.host.ends_with(']') && is_ipv6(parts.host.substr(1, parts.host.size() - 2));
}

bool is_same_authority(std::string_view left, std::string_view right,
                       std::string_view default_port) {
  Parts a = split(left), b = split(right);
  if (a.port.empty()) a.port = default_port;
  if (b.port.empty()) b.port = default_port;
  return a.port == b.port && equals_ignoring_case(a.host, b.host);
}

}  // namespace corral::http
