// A bound on memory that many holders share: each takes its part before it uses it, and does
// without when there is none left.
//
// Any thread. A Share keeps its Budget alive, so it may outlive whoever made that.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace corral {

class Budget {
 public:
  explicit Budget(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  std::size_t bytes_max() const { return bytes_max_; }
  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  // What one holder has of it. Belongs to one thread at a time.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Share() { reset(); }

    std::size_t bytes() const { return bytes_; }

    // Has `bytes` of `budget` altogether afterwards; false, and nothing changed, when there is no
    // room.
    bool try_grow(const std::shared_ptr<Budget>& budget, std::size_t bytes) {
      if (bytes <= bytes_) return true;
      if (!budget->try_take(bytes - bytes_)) return false;
      budget_ = budget;
      bytes_ = bytes;
      return true;
    }

    void reset() {
      if (bytes_ > 0) budget_->bytes_.fetch_sub(std::exchange(bytes_, 0));
    }

   private:
    std::shared_ptr<Budget> budget_;
    std::size_t bytes_ = 0;
  };

 private:
  bool try_take(std::size_t bytes) {
    std::size_t taken = bytes_.load(std::memory_order_relaxed);
    do {
      if (bytes > bytes_max_ || taken > bytes_max_ - bytes) return false;
    } while (!bytes_.compare_exchange_weak(taken, taken + bytes, std::memory_order_relaxed));
    return true;
  }

  const std::size_t bytes_max_;
  std::atomic<std::size_t> bytes_{0};
};

}  // namespace corral
