#include "http/request_id.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "http/bytes.h"
#include "http/request.h"

namespace corral::http {
namespace {

constexpr std::array<bool, 256> make_id_bytes() {
  std::array<bool, 256> bytes{};
  for (int byte = 0; byte < 128; ++byte) {
    const int lower = byte | 0x20;
    bytes[static_cast<std::size_t>(byte)] =
        (byte >= '0' && byte <= '9') || (lower >= 'a' && lower <= 'z');
  }
  for (char byte : std::string_view("._~+/=-")) bytes[static_cast<unsigned char>(byte)] = true;
  return bytes;
}

constexpr std::array<bool, 256> kIdBytes = make_id_bytes();

// Eight digits at a time: each byte gets four bits, then becomes their digit.
void write_digits(std::uint32_t number, char* at) {
  std::uint64_t word = number;
  word = (word << 16 | word) & 0x0000ffff'0000ffff;
  word = (word << 8 | word) & 0x00ff00ff'00ff00ff;
  word = (word << 4 | word) & 0x0f0f0f0f'0f0f0f0f;
  constexpr std::uint64_t kOnes = 0x01010101'01010101;
  const std::uint64_t letters = ((word + kOnes * 6) >> 4) & kOnes;  // 1 from ten on
  word += kOnes * '0' + letters * ('a' - '0' - 10);
  std::memcpy(at, &word, sizeof word);
}

void write_digits(std::uint64_t number, char* at) {
  write_digits(static_cast<std::uint32_t>(number >> 32), at);
  write_digits(static_cast<std::uint32_t>(number), at + 8);
}

std::uint64_t random_number() {
  std::random_device device;  // the system's
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kRequestIdBytesMax &&
         std::ranges::all_of(text,
                             [](char byte) { return kIdBytes[static_cast<unsigned char>(byte)]; });
}

RequestIds::RequestIds() : next_(random_number()), factor_(random_number() | 1) {
  write_digits(random_number(), process_digits_.data());
}

// An odd factor and a shift can be undone, so different numbers stay different.
void RequestIds::make(OwnRequestId& id) {
  std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed) * factor_;
  number = (number ^ number >> 32) * factor_;
  write_digits(number ^ number >> 32, id.data());
  std::memcpy(id.data() + 16, process_digits_.data(), process_digits_.size());
}

void RequestIds::settle(Request& request, Peer peer) {
  const auto is_id = [](const Header& header) { return header.id == HeaderId::x_request_id; };
  const auto sent = std::ranges::find_if(request.headers, is_id);
  if (sent == request.headers.end()) {
    make(request.own_id);
    request.request_id = request.own_id.view();
    request.headers.push_back({HeaderId::x_request_id, "X-Request-ID", request.request_id});
    return;
  }
  // Repeated: which one is meant nobody knows.
  const auto others = std::remove_if(sent + 1, request.headers.end(), is_id);
  const bool is_one = others == request.headers.end();
  request.headers.erase(others, request.headers.end());
  if (!is_one || peer != Peer::trusted || !is_request_id(sent->value)) {
    make(request.own_id);
    sent->value = request.own_id.view();
  }
  request.request_id = sent->value;
}

}  // namespace corral::http
