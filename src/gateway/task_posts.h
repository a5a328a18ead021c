// The posts of all task threads of the process, for who wants the end of a job that one of them may
// have in hand. Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <string>

namespace corral::gateway {

class TaskPost;

class TaskPosts {
 public:
  void add(TaskPost& post);
  void remove(TaskPost& post);

  // Has the watcher end this attempt; false when no thread has it in hand.
  bool cancel(const std::string& id, std::int64_t lease);

 private:
  std::mutex mutex_;
  std::set<TaskPost*> posts_;  // guarded by mutex_
};

}  // namespace corral::gateway
