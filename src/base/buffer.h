// Bytes in one piece that grow at their end, with room to read into. Large ones take their memory
// from a BlockCache, small ones from the allocator; neither is filled before it is used.
//
// Belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "base/block_cache.h"
#include "base/check.h"

namespace corral {

class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : cache_(std::move(other.cache_)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(cache_, other.cache_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~Buffer() { reset(); }

  const char* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  std::string_view view() const { return {data_, size_}; }

  // Makes the capacity at least `bytes`. False, and nothing changed, when there is no memory.
  bool try_reserve(std::size_t bytes, const std::shared_ptr<BlockCache>& cache) {
    if (bytes <= capacity_) return true;
    const bool is_large = bytes >= BlockCache::kBlockBytesMin;
    const BlockCache::Block block =
        is_large ? cache->take(bytes)
                 : BlockCache::Block{static_cast<char*>(std::malloc(bytes)), bytes};
    if (block.data == nullptr) return false;
    if (size_ > 0) std::memcpy(block.data, data_, size_);
    free_memory();
    cache_ = is_large ? cache : nullptr;
    data_ = block.data;
    capacity_ = block.bytes;
    return true;
  }

  // Only within the capacity.
  void append(std::string_view bytes) {
    CORRAL_CHECK(bytes.size() <= capacity_ - size_, "room is reserved first");
    if (bytes.empty()) return;
    std::memcpy(data_ + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  // What is reserved and not used. add() makes the first of it part of the bytes.
  std::span<char> room() { return {data_ + size_, capacity_ - size_}; }
  void add(std::size_t bytes) {
    CORRAL_CHECK(bytes <= capacity_ - size_, "more than there was room for");
    size_ += bytes;
  }

  void drop_front(std::size_t bytes) {
    CORRAL_CHECK(bytes <= size_, "more than there is");
    size_ -= bytes;
    if (bytes > 0) std::memmove(data_, data_ + bytes, size_);
  }

  void reset() {
    free_memory();
    cache_.reset();
    data_ = nullptr;
    size_ = capacity_ = 0;
  }

 private:
  void free_memory() {
    if (cache_) {
      cache_->give({data_, capacity_});
    } else {
      std::free(data_);
    }
  }

  std::shared_ptr<BlockCache> cache_;  // where data_ comes from; none: the allocator
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace corral
