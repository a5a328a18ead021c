// Large blocks of memory for what comes and goes, such as bodies of requests. What was given back
// is kept for the next one for a while, because fresh pages from the system cost as much as what is
// then copied into them.
//
// Any thread.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

namespace corral {

class BlockCache {
 public:
  // No block is smaller; smaller things are the allocator's.
  static constexpr std::size_t kBlockBytesMin = 128 * 1024;

  // Keeps nothing that would make it more than so many bytes, those in use included.
  explicit BlockCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  ~BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  struct Block {
    char* data = nullptr;  // null: there is no memory
    std::size_t bytes = 0;
  };
  // Of at least `bytes`: the one given back last (its bytes are in a processor's cache), or a new
  // one.
  Block take(std::size_t bytes);
  void give(Block block);

  // Returns to the system what nobody has needed since it was called last.
  void release_idle();

  std::size_t kept_bytes() const;

 private:
  using Blocks = std::vector<Block>;
  Blocks drop_locked(std::size_t bytes);
  static void unmap(const Blocks& blocks);

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  Blocks kept_;  // the last one was given last
  std::size_t kept_bytes_ = 0;
  std::size_t used_bytes_ = 0;
  std::size_t idle_bytes_ = 0;  // the least that was kept since release_idle()
};

}  // namespace corral
