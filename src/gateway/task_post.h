// What one thread of a task worker has in hand: a job with a time limit, and who may say what came
// of it (turn_post.h). A job without a limit is no turn: nobody looks at it.
//
// The runner (python/corral/tasks/runner.py) says the limit, and beforehand what is to be written
// when it is over: the policy is Python's, and then there is nobody to ask. The watcher takes the
// turn; the outcome goes to the keeper once the stack has been looked at, which belongs in it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/log.h"
#include "gateway/turn_post.h"
#include "tasks/keeper.h"

namespace corral::gateway {

class TaskPost final : public TurnPost {
 public:
  // All outlive the post.
  TaskPost(Log& log, tasks::Keeper& keeper, const interp::Ref& interruption)
      : TurnPost(interruption), log_(log), keeper_(keeper) {}

  // --- the thread, attached
  // Both stay until end().
  void begin(interp::Attached& attached, const tasks::Job& job);
  // From now on the job has so much time. `head`: JSON of its outcome after that, up to
  // the text of the traceback, which is the last of `error`; then comes `ended`.
  void limit(Milliseconds time_max_ms, tasks::JobStatus status, std::string head);
  // Whether the thread may say what came of the job. True: its time is no longer counted.
  // False: it has been said; no interrupt comes any more.
  bool settle();
  // No interrupt is pending afterwards.
  void end();

  // --- exec::Post
  Milliseconds turn_time_max_ms() const override {
    return time_max_ms_.load(std::memory_order_relaxed);
  }

 private:
  // What is written when the time is over.
  struct Ending {
    std::uint64_t turn = 0;
    tasks::Outcome outcome;  // its result is the head
  };

  // --- TurnPost
  void take(const exec::Finding& finding) override;
  void note(const exec::Finding&) override {}
  void write_finding(const exec::Finding& finding, std::string_view name,
                     std::string_view text) override;
  void send(const exec::Finding& finding, std::string_view stack);

  Log& log_;
  tasks::Keeper& keeper_;
  interp::Attached* attached_ = nullptr;      // the thread's
  const tasks::Job* job_ = nullptr;           // the thread's
  bool has_limit_ = false;                    // the thread's
  Ending ending_;                             // of who has the turn
  std::atomic<Milliseconds> time_max_ms_{0};  // of the latest turn
  std::mutex mutex_;
  Ending taken_;  // guarded by mutex_
};

}  // namespace corral::gateway
