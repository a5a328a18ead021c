// What each byte may be in an HTTP/1.1 message, as one lookup table, and what is built on it.
//
// Pure functions, any thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace corral::http {

enum ByteClass : std::uint8_t {
  // RFC 9110 section 5.6.2.
  kTokenByte = 1,
  // Visible ASCII but '#': browsers send more than RFC 3986 allows, and all of it is unambiguous.
  kTargetByte = 2,
  // The same without '?' and '%': what ends a path or stands for another byte.
  kPlainTargetByte = 16,
  // RFC 9110 section 5.5: visible, space, tab, and bytes above ASCII.
  kFieldByte = 4,
  // RFC 3986 reg-name without '%' and ',': a comma would read as a list of two hosts.
  kHostByte = 8,
};

constexpr std::array<std::uint8_t, 256> make_byte_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (int byte = 0; byte < 256; ++byte) {
    std::uint8_t& entry = classes[static_cast<std::size_t>(byte)];
    if (byte > 0x20 && byte < 0x7f && byte != '#') entry |= kTargetByte;
    if ((entry & kTargetByte) && byte != '?' && byte != '%') entry |= kPlainTargetByte;
    if (byte == '\t' || (byte >= 0x20 && byte != 0x7f)) entry |= kFieldByte;
    const bool digit = byte >= '0' && byte <= '9';
    const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    if (digit || letter) entry |= kTokenByte | kHostByte;
  }
  for (char byte : std::string_view("!#$%&'*+-.^_`|~"))
    classes[static_cast<unsigned char>(byte)] |= kTokenByte;
  for (char byte : std::string_view("-._~!$&'()*+;="))
    classes[static_cast<unsigned char>(byte)] |= kHostByte;
  return classes;
}

inline constexpr std::array<std::uint8_t, 256> kByteClasses = make_byte_classes();

constexpr bool is_in(char byte, ByteClass wanted) {
  return (kByteClasses[static_cast<unsigned char>(byte)] & wanted) != 0;
}

constexpr char to_lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
}

// -1 when it is no hexadecimal digit.
constexpr int hex_value(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const char lower = static_cast<char>(byte | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// ASCII only. `lower` is lower case already.
constexpr bool equals_lower(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (to_lower(text[i]) != lower[i]) return false;
  return true;
}

constexpr bool is_blank(char byte) { return byte == ' ' || byte == '\t'; }

constexpr std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Reads no further than the byte it stops at, so a buffer that ends in NUL (a std::string) needs no
// length check: NUL is in no class.
inline const char* skip_class(const char* at, ByteClass wanted) {
  while (is_in(*at, wanted)) ++at;
  return at;
}

// To the first byte that is not a kFieldByte, eight at a time while `end` allows it: for values
// that come one by one. Those of a request's head are marked all at once (scan.h).
inline const char* skip_field_bytes(const char* at, const char* end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  while (end - at >= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    const std::uint64_t deletes = word ^ (kOnes * 0x7f);
    const std::uint64_t below_space = (word - kOnes * 0x20) & ~word;
    const std::uint64_t suspects = (below_space | ((deletes - kOnes) & ~deletes)) & kTops;
    if (suspects != 0) {
      // A borrow can mark bytes after the first suspect wrongly, never before it: go there, and
      // decide by the table.
      if constexpr (std::endian::native == std::endian::little)
        at += std::countr_zero(suspects) / 8;
      const char* stop = at;
      while (stop < end && is_in(*stop, kFieldByte) && stop - at < 8) ++stop;
      if (stop == end || !is_in(*stop, kFieldByte)) return stop;
      at = stop;  // a tab
      continue;
    }
    at += 8;
  }
  while (at < end && is_in(*at, kFieldByte)) ++at;
  return at;
}

// Longer than any registered method (RFC 9110 section 9.1 asks for 501).
inline constexpr std::size_t kMethodBytesMax = 32;

// One empty line before a request line is tolerated (RFC 9112 section 2.2). HeadFinder and
// parse_head() both skip it here, so that they agree on where a head begins.
constexpr std::size_t count_leading_bytes(std::string_view bytes) {
  return bytes.starts_with("\r\n") ? 2 : 0;
}

}  // namespace corral::http
