// Whose turn it is among the queues of a node: each gets its weight's share of the claims.
//
// Start-time fair queueing. A queue's next job bears a tag; the smallest tags are claimed first,
// and each claimed job moves its queue's tag on by a step, shorter the heavier the queue. A queue
// without jobs saves nothing up. python/corral/tasks/shares.py does the same.
//
// Owned by the store, whose thread it is on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace corral::tasks {

class Shares {
 public:
  static constexpr std::int64_t kStep = 1'000'000;  // of weight 1

  explicit Shares(std::map<std::string, std::int64_t> weights = {})
      : weights_(std::move(weights)) {}

  // How far one job moves the queue's tag.
  std::int64_t step(const std::string& queue) const {
    const auto found = weights_.find(queue);
    return kStep / (found == weights_.end() ? 1 : found->second);
  }

  // The tag of the queue's next job, from that of a queue which was idle.
  std::int64_t ahead(const std::string& queue) const {
    const auto found = tags_.find(queue);
    return found == tags_.end() ? 0 : found->second - now_;
  }

  // Calls with (queue, ahead, step) for those that differ from an idle queue of weight 1.
  template <typename Use>
  void for_each_special(Use use) const {
    for (const auto& [queue, weight] : weights_) use(queue, ahead(queue), step(queue));
    for (const auto& [queue, tag] : tags_) {
      if (!weights_.contains(queue)) use(queue, tag - now_, kStep);
    }
  }

  // So many jobs of each queue were claimed.
  void note(const std::map<std::string, std::int64_t>& claimed) {
    std::int64_t now = now_;
    for (const auto& [queue, count] : claimed) {
      auto& tag = tags_.try_emplace(queue, now_).first->second;
      now = std::max(now, tag + (count - 1) * step(queue));
      tag += count * step(queue);
    }
    now_ = now;
    std::erase_if(tags_, [&](const auto& entry) { return entry.second <= now; });
  }

 private:
  const std::map<std::string, std::int64_t> weights_;  // 1 for the others
  std::map<std::string, std::int64_t> tags_;           // of the next job, where that is not now_
  std::int64_t now_ = 0;
};

}  // namespace corral::tasks
