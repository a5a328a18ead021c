#include "net/networks.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

namespace corral::net {

std::optional<Networks::Numbers> Networks::parse_numbers(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof terminated) return std::nullopt;
  *std::ranges::copy(text, terminated).out = '\0';
  Numbers numbers{AF_INET, {}};
  if (inet_pton(AF_INET, terminated, numbers.bytes.data()) == 1) return numbers;
  numbers.family = AF_INET6;
  if (inet_pton(AF_INET6, terminated, numbers.bytes.data()) == 1) return numbers;
  return std::nullopt;
}

std::optional<Networks::Network> Networks::parse_network(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const auto first = parse_numbers(text.substr(0, slash));
  if (!first) return std::nullopt;
  Network network{*first, first->family == AF_INET ? 32U : 128U};
  if (slash < text.size()) {
    const char* const begin = text.data() + slash + 1;
    const char* const end = text.data() + text.size();
    unsigned bits = 0;
    const auto [stop, error] = std::from_chars(begin, end, bits);
    if (error != std::errc() || stop != end || bits > network.bits) return std::nullopt;
    network.bits = bits;
  }
  for (std::size_t bit = network.bits; bit < 8 * first->bytes.size(); ++bit)
    if (first->bytes[bit / 8] >> (7 - bit % 8) & 1) return std::nullopt;
  return network;
}

Result<Networks> Networks::parse(std::string_view list) {
  Networks networks;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    const std::string_view item = list.substr(at, end - at);
    at = end + 1;
    if (item == "*") {
      networks.is_all_ = true;
    } else if (const auto network = parse_network(item)) {
      networks.networks_.push_back(*network);
    } else {
      return Error{"'" + std::string(item) + "' is neither an address nor a network"};
    }
  }
  return networks;
}

bool Networks::Network::contains(const Numbers& numbers) const {
  if (numbers.family != first.family) return false;
  const std::size_t whole = bits / 8;
  if (std::memcmp(numbers.bytes.data(), first.bytes.data(), whole) != 0) return false;
  return bits % 8 == 0 || (numbers.bytes[whole] ^ first.bytes[whole]) >> (8 - bits % 8) == 0;
}

bool Networks::contains(std::string_view host) const {
  if (is_all_) return true;
  const auto numbers = parse_numbers(host);
  return numbers && std::ranges::any_of(networks_, [&](const Network& network) {
           return network.contains(*numbers);
         });
}

}  // namespace corral::net
