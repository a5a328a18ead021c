// The meaning of the scans, a byte at a time; also what runs where no other variant can.
#include <algorithm>

#include "http/bytes.h"
#include "http/scan_parts.h"

namespace corral::http::scan {
namespace {

std::size_t find_stop(const char* bytes, std::size_t size, std::size_t from) {
  for (std::size_t i = from; i < size; ++i)
    if (stops_at(bytes, i)) return i;
  return size;
}

void mark(const char* bytes, std::size_t size, Marks* marks) {
  for (std::size_t begin = 0; begin < size; begin += kBlockBytes, ++marks) {
    std::uint64_t token = 0, field = 0;
    for (std::size_t i = std::min(begin + kBlockBytes, size); i-- > begin;) {
      token = token << 1 | (is_in(bytes[i], kTokenByte) ? 1 : 0);
      field = field << 1 | (is_in(bytes[i], kFieldByte) ? 1 : 0);
    }
    *marks = {~token, ~field};
  }
}

constexpr Variant kScalar{"scalar", find_stop, mark};

}  // namespace

const Variant& scalar() { return kScalar; }

}  // namespace corral::http::scan
