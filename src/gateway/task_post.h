// What one thread of a task worker has in hand: a job, its time limit if it has one, and who may
// say what came of it (turn_post.h). The watcher ends a job whose time is over, and one whose end
// somebody wants (cancel()).
//
// The runner (python/corral/tasks/runner.py) says the limit, and beforehand what is to be written
// when it is over: the policy is Python's, and then there is nobody to ask. What is written of a
// cancelled job is always the same. The watcher takes the turn; the outcome goes to the keeper once
// the stack has been looked at, which belongs in it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/log.h"
#include "gateway/task_posts.h"
#include "gateway/turn_post.h"
#include "tasks/keeper.h"

namespace corral::gateway {

class TaskPost final : public TurnPost {
 public:
  // What is raised in a thread whose job was ended.
  struct Interruptions {
    interp::Ref timeout;
    interp::Ref cancelled;
  };

  // All outlive the post.
  TaskPost(Log& log, tasks::Keeper& keeper, TaskPosts& posts, const Interruptions& interruptions)
      : log_(log), keeper_(keeper), posts_(posts), interruptions_(interruptions) {
    posts_.add(*this);
  }
  ~TaskPost() override { posts_.remove(*this); }

  // --- the thread, attached
  // Both stay until end().
  void begin(interp::Attached& attached, const tasks::Job& job);
  // From now on the job has so much time. `head`: JSON of its outcome after that, up to
  // the text of the traceback, which is the last of `error`; then comes `ended`.
  void limit(Milliseconds time_max_ms, tasks::JobStatus status, std::string head);
  // Whether the thread may say what came of the job. True: its time is no longer counted.
  // False: it has been said; no interrupt comes any more.
  bool settle();
  // Whether the job was ended because somebody wanted that; after settle().
  bool was_cancelled() const { return is_cancelled(own_turn()); }
  // No interrupt is pending afterwards.
  void end();

  // --- any thread
  // Has the watcher end this attempt, at once; false when the thread does not have it in hand.
  bool cancel(const std::string& id, std::int64_t lease);

  // --- exec::Post
  Milliseconds turn_time_max_ms() const override {
    return time_max_ms_.load(std::memory_order_relaxed);
  }
  bool is_cancelled() const override { return is_cancelled(turn()); }

 private:
  // What is written when the time is over.
  struct Ending {
    std::uint64_t turn = 0;
    tasks::Outcome outcome;  // its result is the head
  };

  bool is_cancelled(std::uint64_t turn) const {
    return turn != 0 && cancelled_turn_.load(std::memory_order_acquire) == turn;
  }

  // --- TurnPost
  const interp::Ref& interruption() const override;
  void take(const exec::Finding& finding) override;
  void note(const exec::Finding&) override {}
  void write_finding(const exec::Finding& finding, std::string_view name,
                     std::string_view text) override;
  void send(const exec::Finding& finding, std::string_view stack);

  Log& log_;
  tasks::Keeper& keeper_;
  TaskPosts& posts_;
  const Interruptions& interruptions_;
  interp::Attached* attached_ = nullptr;          // the thread's
  const tasks::Job* job_ = nullptr;               // written by the thread under mutex_
  Ending ending_;                                 // of who has the turn
  std::atomic<Milliseconds> time_max_ms_{0};      // of the present turn
  std::atomic<std::uint64_t> cancelled_turn_{0};  // the latest whose end was wanted
  std::mutex mutex_;
  Ending taken_;  // guarded by mutex_
};

}  // namespace corral::gateway
