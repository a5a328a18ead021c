// A head and the marks of its bytes, made a window at a time as the reading goes on: where the next
// byte outside a class is, without looking at those in between.
//
// On the stack of one parse_head(). The head must outlive it, and stay as it is.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/scan.h"

namespace corral::http {

class MarkedHead {
 public:
  MarkedHead(std::string_view head, const scan::Variant& variant)
      : begin_(head.data()), size_(head.size()), scan_(variant) {}

  // The first byte at or after `at` that is not of the class; the head's end when all are.
  const char* skip_token(const char* at) { return skip<&scan::Marks::not_token>(at); }
  const char* skip_field(const char* at) { return skip<&scan::Marks::not_field>(at); }

 private:
  static constexpr std::size_t kWindowBlocks = 16;  // most heads need no second window

  template <std::uint64_t scan::Marks::* outside>
  const char* skip(const char* at) {
    const std::size_t from = static_cast<std::size_t>(at - begin_);
    std::size_t block = from / scan::kBlockBytes;
    std::uint64_t bits = look(block).*outside & (~std::uint64_t{0} << from % scan::kBlockBytes);
    while (bits == 0) bits = look(++block).*outside;
    return begin_ + block * scan::kBlockBytes + std::countr_zero(bits);
  }

  const scan::Marks& look(std::size_t block) {
    if (block - first_ >= count_) [[unlikely]]  // also when it is before the window
      fill(block);
    return marks_[block - first_];
  }

  void fill(std::size_t block) {
    const std::size_t begin = std::min(block * scan::kBlockBytes, size_);
    const std::size_t bytes = std::min(size_ - begin, kWindowBlocks * scan::kBlockBytes);
    scan_.mark(begin_ + begin, bytes, marks_.data());
    first_ = block;
    count_ = (bytes + scan::kBlockBytes - 1) / scan::kBlockBytes;
    // Past the end everything is outside; a block that is not full says so by itself.
    if (bytes < kWindowBlocks * scan::kBlockBytes)
      marks_[count_++] = {~std::uint64_t{0}, ~std::uint64_t{0}};
  }

  const char* const begin_;
  const std::size_t size_;
  const scan::Variant& scan_;
  std::size_t first_ = 0, count_ = 0;  // the blocks of the window
  std::array<scan::Marks, kWindowBlocks + 1> marks_;
};

}  // namespace corral::http
