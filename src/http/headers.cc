// Header names and their ids, by a perfect hash made at compile time.
#include <algorithm>
#include <array>
#include <cstring>

#include "http/bytes.h"
#include "http/parser.h"

namespace corral::http {
namespace {

constexpr std::size_t kIdCount = static_cast<std::size_t>(HeaderId::count);

// In the order of HeaderId.
constexpr std::array<std::string_view, kIdCount> kNames = {"",
                                                           "accept",
                                                           "accept-encoding",
                                                           "accept-language",
                                                           "authorization",
                                                           "cache-control",
                                                           "connection",
                                                           "content-length",
                                                           "content-type",
                                                           "cookie",
                                                           "expect",
                                                           "forwarded",
                                                           "host",
                                                           "if-modified-since",
                                                           "if-none-match",
                                                           "origin",
                                                           "pragma",
                                                           "range",
                                                           "referer",
                                                           "sec-ch-ua",
                                                           "sec-ch-ua-mobile",
                                                           "sec-ch-ua-platform",
                                                           "sec-fetch-dest",
                                                           "sec-fetch-mode",
                                                           "sec-fetch-site",
                                                           "sec-fetch-user",
                                                           "te",
                                                           "trailer",
                                                           "transfer-encoding",
                                                           "upgrade",
                                                           "upgrade-insecure-requests",
                                                           "user-agent",
                                                           "x-csrftoken",
                                                           "x-forwarded-for",
                                                           "x-forwarded-host",
                                                           "x-forwarded-proto",
                                                           "x-request-id",
                                                           "x-requested-with"};

static_assert(kNames[static_cast<std::size_t>(HeaderId::host)] == "host");
static_assert(kNames[static_cast<std::size_t>(HeaderId::sec_ch_ua)] == "sec-ch-ua");
static_assert(kNames[static_cast<std::size_t>(HeaderId::te)] == "te");
static_assert(kNames[static_cast<std::size_t>(HeaderId::transfer_encoding)] == "transfer-encoding");
static_assert(kNames[kIdCount - 1] == "x-requested-with", "a name is missing or out of order");

constexpr std::size_t kShortestName = 2, kLongestName = 25;
constexpr std::size_t kSlots = 256;

// Length, first byte and third from last tell all the names apart. The case bit is dropped: names
// that differ elsewhere meet in a slot, but are compared in full there.
constexpr std::size_t find_slot(std::string_view name, std::uint32_t factor) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(name[i] | 0x20) & 0xff;
  };
  const std::size_t third_last = name.size() >= 3 ? name.size() - 3 : 0;
  const std::uint32_t key =
      static_cast<std::uint32_t>(name.size()) | byte(0) << 8 | byte(third_last) << 16;
  return (key * factor) >> 24;
}

constexpr bool is_perfect(std::uint32_t factor) {
  std::array<bool, kSlots> taken{};
  for (std::size_t id = 1; id < kIdCount; ++id) {
    const std::size_t slot = find_slot(kNames[id], factor);
    if (taken[slot]) return false;
    taken[slot] = true;
  }
  return true;
}

constexpr std::uint32_t find_factor() {
  std::uint32_t factor = 0x9e3779b1;
  for (int attempt = 0; attempt < 10'000; ++attempt, factor = factor * 1664525 + 1013904223)
    if (is_perfect(factor)) return factor;
  return 0;
}

constexpr std::uint32_t kFactor = find_factor();
static_assert(kFactor != 0, "two names share length, first and third last byte: hash another byte");

constexpr std::array<HeaderId, kSlots> make_slots() {
  std::array<HeaderId, kSlots> slots{};
  for (std::size_t id = 1; id < kIdCount; ++id)
    slots[find_slot(kNames[id], kFactor)] = static_cast<HeaderId>(id);
  return slots;
}

constexpr std::array<HeaderId, kSlots> kIdBySlot = make_slots();

// Eight letters at a time. The sum of a byte without its top bit and 0x3f sets the top bit from 'A'
// on, with 0x25 from '[' on.
constexpr std::uint64_t lower_word(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  const std::uint64_t low = word & ~kTops;
  const std::uint64_t capitals = (low + kOnes * 0x3f) & ~(low + kOnes * 0x25) & ~word & kTops;
  return word | capitals >> 2;
}
static_assert(lower_word(0xc1'40'5b'5a'41'7a'61'2d) == 0xc1'40'5b'7a'61'7a'61'2d);

template <typename Word>
std::uint64_t load_word(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// As equals_lower(), without a loop over bytes: the last step goes back over some already compared.
bool equals_name(std::string_view name, std::string_view lower) {
  const std::size_t size = name.size();
  if (size != lower.size()) return false;
  const auto differs = [&]<typename Word>(Word, std::size_t at) {
    return lower_word(load_word<Word>(name.data() + at)) != load_word<Word>(lower.data() + at);
  };
  if (size < 4) {
    return !differs(std::uint16_t{}, 0) && !differs(std::uint16_t{}, size - 2);
  }
  if (size < 8) return !differs(std::uint32_t{}, 0) && !differs(std::uint32_t{}, size - 4);
  for (std::size_t at = 0; at + 8 < size; at += 8)
    if (differs(std::uint64_t{}, at)) return false;
  return !differs(std::uint64_t{}, size - 8);
}

}  // namespace

std::string_view header_name(HeaderId id) { return kNames[static_cast<std::size_t>(id)]; }

HeaderId find_header_id(std::string_view name) {
  if (name.size() < kShortestName || name.size() > kLongestName) return HeaderId::other;
  const HeaderId id = kIdBySlot[find_slot(name, kFactor)];
  return equals_name(name, header_name(id)) ? id : HeaderId::other;
}

Underscored judge_underscored(std::string_view name, UnderscoreHeaders setting) {
  char dashed[kLongestName];
  HeaderId id = HeaderId::other;
  if (name.size() <= kLongestName) {
    std::replace_copy(name.begin(), name.end(), dashed, '_', '-');
    id = find_header_id({dashed, name.size()});
  }
  if (id == HeaderId::content_length || id == HeaderId::transfer_encoding)
    return Underscored::refuse;
  switch (setting) {
    case UnderscoreHeaders::drop:
      return Underscored::drop;
    case UnderscoreHeaders::refuse:
      return Underscored::refuse;
    case UnderscoreHeaders::pass:
      return id == HeaderId::other ? Underscored::keep : Underscored::drop;
  }
  return Underscored::drop;
}

bool is_token(std::string_view text) {
  if (text.empty()) return false;
  for (char byte : text)
    if (!is_in(byte, kTokenByte)) return false;
  return true;
}

}  // namespace corral::http
