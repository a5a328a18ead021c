// The two loops over the bytes of a head, in variants of which the best that the processor can run
// is chosen at run time.
//
// scan_scalar.cc is the meaning, byte by byte. The others (scan_x86.cc, scan_neon.cc) compute the
// same many bytes at a time, and scan_test.cc holds them against it. Pure functions, any thread;
// none reads a byte outside its input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace corral::http::scan {

inline constexpr std::size_t kBlockBytes = 64;

// Of 64 bytes, the first in the lowest bit: which are not of a class. Bits beyond the input are
// set.
struct Marks {
  std::uint64_t not_token;  // RFC 9110 section 5.6.2
  std::uint64_t not_field;  // section 5.5: neither tab, space, visible nor above ASCII

  bool operator==(const Marks&) const = default;
};

struct Variant {
  const char* name;

  // Where the search for the end of a head stops: at the first i in [from, size) where bytes[i]
  // ends LF CR LF, is LF without a CR before it, or is something else than LF after a CR; `size`
  // when there is none. Bytes before `from` are looked at only as neighbours.
  std::size_t (*find_stop)(const char* bytes, std::size_t size, std::size_t from);

  // The marks of `size` bytes, a block each 64; the last may be shorter.
  void (*mark)(const char* bytes, std::size_t size, Marks* marks);
};

// All that this processor can run: the scalar one first, the best last.
std::span<const Variant* const> variants();
const Variant& scalar();
const Variant& best();

// Those of other instruction sets, nullptr where the processor or the build has not got them.
const Variant* find_sse42();
const Variant* find_avx2();
const Variant* find_neon();

}  // namespace corral::http::scan
