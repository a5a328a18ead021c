// Sets of addresses: single ones and networks in CIDR form (RFC 4632, RFC 4291 section 2.3).
//
// Constant after parse(); any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace corral::net {

class Networks {
 public:
  // "127.0.0.1,10.0.0.0/8,fd00::/8", or "*" among them for all. Bits behind a prefix must be 0.
  static Result<Networks> parse(std::string_view list);

  // `host` as in net::Address: a peer that came as ::ffff:1.2.3.4 is 1.2.3.4. Empty, as of a unix
  // socket, is in no network but "*".
  bool contains(std::string_view host) const;

 private:
  // In network order; of IPv4 the first four bytes.
  struct Numbers {
    int family;
    std::array<std::uint8_t, 16> bytes;
  };
  struct Network {
    Numbers first;
    unsigned bits;
    bool contains(const Numbers& numbers) const;
  };
  static std::optional<Numbers> parse_numbers(std::string_view text);
  static std::optional<Network> parse_network(std::string_view text);

  std::vector<Network> networks_;
  bool is_all_ = false;
};

}  // namespace corral::net
