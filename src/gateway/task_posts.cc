#include "gateway/task_posts.h"

#include <algorithm>

#include "gateway/task_post.h"

namespace corral::gateway {

void TaskPosts::add(TaskPost& post) {
  std::lock_guard lock(mutex_);
  posts_.insert(&post);
}

void TaskPosts::remove(TaskPost& post) {
  std::lock_guard lock(mutex_);
  posts_.erase(&post);
}

bool TaskPosts::cancel(const std::string& id, std::int64_t lease) {
  std::lock_guard lock(mutex_);
  return std::ranges::any_of(posts_, [&](TaskPost* post) { return post->cancel(id, lease); });
}

}  // namespace corral::gateway
