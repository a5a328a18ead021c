#include "base/block_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

namespace corral {

BlockCache::~BlockCache() { unmap(kept_); }

BlockCache::Block BlockCache::take(std::size_t bytes) {
  // Few sizes, so that what one has given back serves another; pages nobody touches cost nothing.
  const std::size_t size = std::bit_ceil(std::max(bytes, kBlockBytesMin));
  Blocks dropped;
  {
    std::lock_guard lock(mutex_);
    used_bytes_ += size;
    const auto found = std::find_if(kept_.rbegin(), kept_.rend(),
                                    [size](const Block& block) { return block.bytes == size; });
    if (found != kept_.rend()) {
      const Block block = *found;
      kept_.erase(std::next(found).base());
      kept_bytes_ -= size;
      idle_bytes_ = std::min(idle_bytes_, kept_bytes_);
      return block;
    }
    const std::size_t all = used_bytes_ + kept_bytes_;
    if (all > bytes_max_) dropped = drop_locked(all - bytes_max_);
  }
  unmap(dropped);
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data != MAP_FAILED) return {static_cast<char*>(data), size};
  std::lock_guard lock(mutex_);
  used_bytes_ -= size;
  return {};
}

void BlockCache::give(Block block) {
  {
    std::lock_guard lock(mutex_);
    const bool is_kept = used_bytes_ + kept_bytes_ <= bytes_max_;
    used_bytes_ -= block.bytes;
    if (is_kept) {
      kept_.push_back(block);
      kept_bytes_ += block.bytes;
      return;
    }
  }
  unmap({block});
}

void BlockCache::release_idle() {
  Blocks dropped;
  {
    std::lock_guard lock(mutex_);
    dropped = drop_locked(idle_bytes_);
    idle_bytes_ = kept_bytes_;
  }
  unmap(dropped);
}

// So many bytes, or all: those that were given first, for sizes that nobody asks for any more must
// not stay.
BlockCache::Blocks BlockCache::drop_locked(std::size_t bytes) {
  auto end = kept_.begin();
  for (std::size_t dropped = 0; end != kept_.end() && dropped < bytes; ++end) dropped += end->bytes;
  Blocks blocks(kept_.begin(), end);
  kept_.erase(kept_.begin(), end);
  for (const Block& block : blocks) kept_bytes_ -= block.bytes;
  idle_bytes_ = std::min(idle_bytes_, kept_bytes_);
  return blocks;
}

void BlockCache::unmap(const Blocks& blocks) {
  for (const Block& block : blocks) ::munmap(block.data, block.bytes);
}

std::size_t BlockCache::kept_bytes() const {
  std::lock_guard lock(mutex_);
  return kept_bytes_;
}

}  // namespace corral
