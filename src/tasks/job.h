// One attempt of one job as it travels: claimed from the store, run by a thread of a task worker,
// finished in the store. Plain values; what is inside `payload` is between
// python/corral/tasks/store.py and runner.py.
#pragma once

#include <cstdint>
#include <string>

namespace corral::tasks {

struct Job {
  std::string id;          // the row's primary key, text
  std::int64_t lease = 0;  // proves who may finish it
  std::string queue;
  int crashes = 0;            // > 0: an earlier attempt died with its process; it runs alone
  std::string payload;        // JSON for the runner
  bool at_most_once = false;  // once begun it must not begin again
};

// retry: the attempt failed and the job is READY again, from a moment on that the result tells.
enum class JobStatus : std::uint8_t { successful, failed, retry };

struct Outcome {
  std::string id;
  std::int64_t lease = 0;
  JobStatus status = JobStatus::failed;
  std::string result;  // JSON of what the store writes (records.is_outcome): value, errors, times
};

}  // namespace corral::tasks
