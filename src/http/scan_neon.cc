// The scans with NEON, which every AArch64 has.
#include "http/scan.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#include <array>
#include <bit>

#include "http/scan_parts.h"

namespace corral::http::scan {
namespace {

uint8x16_t load_16(const void* at) { return vld1q_u8(static_cast<const std::uint8_t*>(at)); }

// A bit a byte of a mask.
std::uint64_t bits_16(uint8x16_t mask) {
  constexpr std::array<std::uint8_t, 16> kPlaces = {1, 2, 4, 8, 16, 32, 64, 128,
                                                    1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t places = vandq_u8(mask, load_16(kPlaces.data()));
  return vaddv_u8(vget_low_u8(places)) | static_cast<std::uint64_t>(vaddv_u8(vget_high_u8(places)))
                                             << 8;
}

// Four bits a byte of the bytes at `at`, which has two before it.
std::uint64_t stops_16(const char* at) {
  const uint8x16_t line_feed = vdupq_n_u8('\n');
  const uint8x16_t is_lf = vceqq_u8(load_16(at), line_feed);
  const uint8x16_t after_cr = vceqq_u8(load_16(at - 1), vdupq_n_u8('\r'));
  const uint8x16_t after_line = vceqq_u8(load_16(at - 2), line_feed);
  const uint8x16_t stops = vorrq_u8(veorq_u8(is_lf, after_cr), vandq_u8(is_lf, after_line));
  return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(stops), 4)), 0);
}

std::size_t first_of(std::uint64_t stops) {
  return static_cast<std::size_t>(std::countr_zero(stops)) / 4;
}

// Sets the bits of 16 bytes, from bit `place` on.
void mark_16(const char* at, std::size_t place, Marks& marks) {
  const uint8x16_t bytes = load_16(at);
  const uint8x16_t rows = vqtbl1q_u8(load_16(kTokenRows.data()), vandq_u8(bytes, vdupq_n_u8(15)));
  const uint8x16_t bits = vqtbl1q_u8(load_16(kRowBits.data()), vshrq_n_u8(bytes, 4));
  const uint8x16_t not_token = vceqzq_u8(vandq_u8(rows, bits));
  const uint8x16_t below_space = vcltq_u8(bytes, vdupq_n_u8(0x20));
  const uint8x16_t is_tab = vceqq_u8(bytes, vdupq_n_u8('\t'));
  const uint8x16_t is_delete = vceqq_u8(bytes, vdupq_n_u8(0x7f));
  const uint8x16_t not_field = vorrq_u8(vbicq_u8(below_space, is_tab), is_delete);
  marks.not_token |= bits_16(not_token) << place;
  marks.not_field |= bits_16(not_field) << place;
}

// The last step goes back over bytes already looked at, to read none beyond the end.
std::size_t find_stop(const char* bytes, std::size_t size, std::size_t from) {
  for (; from < 2 && from < size; ++from)
    if (stops_at(bytes, from)) return from;
  for (; from + 16 <= size; from += 16)
    if (const std::uint64_t stops = stops_16(bytes + from)) return from + first_of(stops);
  if (from >= size) return size;
  if (size < 18) return scalar().find_stop(bytes, size, from);
  const std::size_t last = size - 16;
  const std::uint64_t stops = stops_16(bytes + last) >> (from - last) * 4;
  return stops == 0 ? size : from + first_of(stops);
}

void mark(const char* bytes, std::size_t size, Marks* marks) {
  for (; size >= kBlockBytes; bytes += kBlockBytes, size -= kBlockBytes, ++marks) {
    *marks = {};
    for (std::size_t at = 0; at < kBlockBytes; at += 16) mark_16(bytes + at, at, *marks);
  }
  if (size == 0) return;
  if (size < 16) return scalar().mark(bytes, size, marks);
  *marks = {set_from(size), set_from(size)};
  for (std::size_t at = 0; at + 16 < size; at += 16) mark_16(bytes + at, at, *marks);
  mark_16(bytes + size - 16, size - 16, *marks);
}

constexpr Variant kNeon{"neon", find_stop, mark};

}  // namespace

const Variant* find_neon() { return &kNeon; }

}  // namespace corral::http::scan

#else

namespace corral::http::scan {

const Variant* find_neon() { return nullptr; }

}  // namespace corral::http::scan

#endif
