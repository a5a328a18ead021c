// Which variants this processor can run.
#include "http/scan.h"

#include <array>

namespace corral::http::scan {
namespace {

class Found {
 public:
  Found() {
    add(&scalar());
    add(find_sse42());
    add(find_avx2());
    add(find_neon());
  }
  std::span<const Variant* const> all() const { return {variants_.data(), count_}; }

 private:
  void add(const Variant* variant) {
    if (variant != nullptr) variants_[count_++] = variant;
  }
  std::array<const Variant*, 4> variants_{};
  std::size_t count_ = 0;
};

}  // namespace

std::span<const Variant* const> variants() {
  static const Found found;  // constant once made
  return found.all();
}

const Variant& best() {
  static const Variant& chosen = *variants().back();
  return chosen;
}

}  // namespace corral::http::scan
