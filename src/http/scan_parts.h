// What the variants of the scans share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "http/bytes.h"
#include "http/scan.h"

namespace corral::http::scan {

// The one rule of find_stop(), at one byte.
inline bool stops_at(const char* bytes, std::size_t i) {
  const bool line_feed = bytes[i] == '\n';
  const bool after_cr = i > 0 && bytes[i - 1] == '\r';
  return line_feed != after_cr || (line_feed && i > 1 && bytes[i - 2] == '\n');
}

// Token bytes by their two halves: a byte is one when the entry of its lower half has the bit of
// its upper half. Bytes above ASCII have no upper half with a bit.
constexpr std::array<std::uint8_t, 16> make_token_rows() {
  std::array<std::uint8_t, 16> rows{};
  for (int byte = 0; byte < 0x80; ++byte)
    if (is_in(static_cast<char>(byte), kTokenByte))
      rows[static_cast<std::size_t>(byte & 15)] |= static_cast<std::uint8_t>(1 << (byte >> 4));
  return rows;
}

alignas(16) inline constexpr std::array<std::uint8_t, 16> kTokenRows = make_token_rows();
alignas(16) inline constexpr std::array<std::uint8_t, 16> kRowBits = {1, 2, 4, 8, 16, 32, 64, 128};

constexpr std::uint64_t set_from(std::size_t bit) { return ~std::uint64_t{0} << bit; }

}  // namespace corral::http::scan
