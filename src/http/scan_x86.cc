// The scans with SSE4.2 and with AVX2. Only the functions marked so use these instructions: the
// program around them runs on every x86-64.
#include "http/scan.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>

#include "http/scan_parts.h"

#define CORRAL_SSE42 __attribute__((target("sse4.2")))
#define CORRAL_AVX2 __attribute__((target("avx2")))
#define CORRAL_INLINE __attribute__((always_inline)) inline

namespace corral::http::scan {
namespace {

std::size_t first_of(std::uint32_t bits) {
  return static_cast<std::size_t>(std::countr_zero(bits));
}

// --- 16 bytes

CORRAL_SSE42 CORRAL_INLINE __m128i load_16(const void* at) {
  return _mm_loadu_si128(static_cast<const __m128i*>(at));
}

CORRAL_SSE42 CORRAL_INLINE std::uint64_t bits_16(__m128i mask) {
  return static_cast<std::uint32_t>(_mm_movemask_epi8(mask));
}

// Of the bytes at `at`, which has two before it.
CORRAL_SSE42 CORRAL_INLINE std::uint32_t stops_16(const char* at) {
  const __m128i line_feed = _mm_set1_epi8('\n');
  const __m128i is_lf = _mm_cmpeq_epi8(load_16(at), line_feed);
  const __m128i after_cr = _mm_cmpeq_epi8(load_16(at - 1), _mm_set1_epi8('\r'));
  const __m128i after_line = _mm_cmpeq_epi8(load_16(at - 2), line_feed);
  const __m128i broken = _mm_xor_si128(is_lf, after_cr);
  const __m128i head_end = _mm_and_si128(is_lf, after_line);
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_or_si128(broken, head_end)));
}

// Sets the bits of 16 bytes, from bit `place` on.
CORRAL_SSE42 CORRAL_INLINE void mark_16(const char* at, std::size_t place, Marks& marks) {
  const __m128i bytes = load_16(at);
  const __m128i halves = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
  const __m128i rows = _mm_shuffle_epi8(load_16(kTokenRows.data()), bytes);
  const __m128i bits = _mm_shuffle_epi8(load_16(kRowBits.data()), halves);
  const __m128i not_token = _mm_cmpeq_epi8(_mm_and_si128(rows, bits), _mm_setzero_si128());
  const __m128i below_space = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  const __m128i is_tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
  const __m128i is_delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  const __m128i not_field = _mm_or_si128(_mm_andnot_si128(is_tab, below_space), is_delete);
  marks.not_token |= bits_16(not_token) << place;
  marks.not_field |= bits_16(not_field) << place;
}

// From `i` on, which is at least 2. The last step goes back over bytes already looked at, to read
// none beyond the end.
CORRAL_SSE42 CORRAL_INLINE std::size_t find_stop_by_16(const char* bytes, std::size_t size,
                                                       std::size_t i) {
  for (; i + 16 <= size; i += 16)
    if (const std::uint32_t stops = stops_16(bytes + i)) return i + first_of(stops);
  if (i >= size) return size;
  if (size < 18) return scalar().find_stop(bytes, size, i);
  const std::size_t last = size - 16;
  const std::uint32_t stops = stops_16(bytes + last) >> (i - last);
  return stops == 0 ? size : i + first_of(stops);
}

// The last block: 1 to 63 bytes.
CORRAL_SSE42 CORRAL_INLINE void mark_rest_by_16(const char* bytes, std::size_t size, Marks& marks) {
  if (size < 16) return scalar().mark(bytes, size, &marks);
  marks = {set_from(size), set_from(size)};
  for (std::size_t at = 0; at + 16 < size; at += 16) mark_16(bytes + at, at, marks);
  mark_16(bytes + size - 16, size - 16, marks);
}

CORRAL_SSE42 std::size_t find_stop_sse42(const char* bytes, std::size_t size, std::size_t from) {
  for (; from < 2 && from < size; ++from)
    if (stops_at(bytes, from)) return from;
  return find_stop_by_16(bytes, size, from);
}

CORRAL_SSE42 void mark_sse42(const char* bytes, std::size_t size, Marks* marks) {
  for (; size >= kBlockBytes; bytes += kBlockBytes, size -= kBlockBytes, ++marks) {
    *marks = {};
    for (std::size_t at = 0; at < kBlockBytes; at += 16) mark_16(bytes + at, at, *marks);
  }
  if (size > 0) mark_rest_by_16(bytes, size, *marks);
}

// --- 32 bytes

CORRAL_AVX2 CORRAL_INLINE __m256i load_32(const void* at) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}

CORRAL_AVX2 CORRAL_INLINE std::uint64_t bits_32(__m256i mask) {
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(mask));
}

// The same table in both halves.
CORRAL_AVX2 CORRAL_INLINE __m256i load_table(const std::array<std::uint8_t, 16>& table) {
  return _mm256_broadcastsi128_si256(load_16(table.data()));
}

CORRAL_AVX2 CORRAL_INLINE std::uint32_t stops_32(const char* at) {
  const __m256i line_feed = _mm256_set1_epi8('\n');
  const __m256i is_lf = _mm256_cmpeq_epi8(load_32(at), line_feed);
  const __m256i after_cr = _mm256_cmpeq_epi8(load_32(at - 1), _mm256_set1_epi8('\r'));
  const __m256i after_line = _mm256_cmpeq_epi8(load_32(at - 2), line_feed);
  const __m256i broken = _mm256_xor_si256(is_lf, after_cr);
  const __m256i head_end = _mm256_and_si256(is_lf, after_line);
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_or_si256(broken, head_end)));
}

CORRAL_AVX2 CORRAL_INLINE void mark_32(const char* at, std::size_t place, Marks& marks) {
  const __m256i bytes = load_32(at);
  const __m256i halves = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
  const __m256i rows = _mm256_shuffle_epi8(load_table(kTokenRows), bytes);
  const __m256i bits = _mm256_shuffle_epi8(load_table(kRowBits), halves);
  const __m256i not_token = _mm256_cmpeq_epi8(_mm256_and_si256(rows, bits), _mm256_setzero_si256());
  const __m256i below_space =
      _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
  const __m256i is_tab = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\t'));
  const __m256i is_delete = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7f));
  const __m256i not_field = _mm256_or_si256(_mm256_andnot_si256(is_tab, below_space), is_delete);
  marks.not_token |= bits_32(not_token) << place;
  marks.not_field |= bits_32(not_field) << place;
}

CORRAL_AVX2 std::size_t find_stop_avx2(const char* bytes, std::size_t size, std::size_t from) {
  for (; from < 2 && from < size; ++from)
    if (stops_at(bytes, from)) return from;
  for (; from + 32 <= size; from += 32)
    if (const std::uint32_t stops = stops_32(bytes + from)) return from + first_of(stops);
  return find_stop_by_16(bytes, size, from);
}

CORRAL_AVX2 void mark_avx2(const char* bytes, std::size_t size, Marks* marks) {
  for (; size >= kBlockBytes; bytes += kBlockBytes, size -= kBlockBytes, ++marks) {
    *marks = {};
    mark_32(bytes, 0, *marks);
    mark_32(bytes + 32, 32, *marks);
  }
  if (size < 32) {
    if (size > 0) mark_rest_by_16(bytes, size, *marks);
    return;
  }
  *marks = {set_from(size), set_from(size)};
  mark_32(bytes, 0, *marks);
  mark_32(bytes + size - 32, size - 32, *marks);
}

constexpr Variant kSse42{"sse4.2", find_stop_sse42, mark_sse42};
constexpr Variant kAvx2{"avx2", find_stop_avx2, mark_avx2};

}  // namespace

const Variant* find_sse42() { return __builtin_cpu_supports("sse4.2") ? &kSse42 : nullptr; }
const Variant* find_avx2() { return __builtin_cpu_supports("avx2") ? &kAvx2 : nullptr; }

}  // namespace corral::http::scan

#else

namespace corral::http::scan {

const Variant* find_sse42() { return nullptr; }
const Variant* find_avx2() { return nullptr; }

}  // namespace corral::http::scan

#endif
