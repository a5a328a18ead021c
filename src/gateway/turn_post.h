// What one thread of a worker has in hand, a turn, and who may say how it ends. What it is that the
// thread has in hand is the derived class's (request_post.h, task_post.h).
//
//   free --begin_turn()--> open <--hold(), let_go()--> held      the server's own work
//    ^                       \---------expire()------> taken     the watcher has ended it
//    +-- end_turn() ---------------(from each)
//
// `open` is the user code's time: the watcher may take the turn, and what the thread does for it
// afterwards has no effect. While `held` no time counts. Both are in one word with the number of
// the turn, so that what is meant for one turn cannot meet the next.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "exec/post.h"
#include "interp/interpreter.h"
#include "interp/reference.h"

namespace corral::gateway {

class TurnPost : public exec::Post {
 public:
  // --- the thread
  // Attached. True while the turn is the thread's: until let_go() nobody takes it. May be repeated.
  bool hold();
  // Whether hold() holds. Also detached, like let_go().
  bool is_held() const { return (word_.load(std::memory_order_relaxed) & kStateMask) == kHeld; }
  // Before user code goes on. Nothing when it is not held.
  void let_go() {
    if (is_held()) word_.store(turn_ | kOpen, std::memory_order_release);
  }
  // Attached. No interrupt comes from here on until unshield() or the end of the turn: Python code
  // of our own is about to run, and an import that is broken off may leave its lock behind.
  void shield(interp::Attached& attached);
  void unshield() { is_shielded_ = false; }
  // Attached: raises what the thread is interrupted with.
  void raise_interruption() const;

  // --- exec::Post
  std::uint64_t turn() const override {
    return word_.load(std::memory_order_acquire) >> kStateBits;
  }
  bool is_timed() const override;
  bool expire(const exec::Finding& finding) override;
  void report_unseen(const exec::Finding& finding, std::string_view why) override;
  bool report(interp::Attached& attached, const interp::PythonThread& thread,
              const exec::Finding& finding) override;

 protected:
  // The class raised in a thread whose turn was taken.
  virtual const interp::Ref& interruption() const = 0;

  // What is in hand must be complete by then.
  void begin_turn();
  enum class Written : std::uint8_t { nothing, record };
  // Attached. No interrupt is pending afterwards. Whether a record of the turn has been written.
  Written end_turn(interp::Attached& attached);
  // The thread's present turn, or its last one.
  std::uint64_t own_turn() const { return turn_ >> kStateBits; }

  // --- the watcher
  // What is in hand is the watcher's now; the thread waits for the return.
  virtual void take(const exec::Finding& finding) = 0;
  // Then, without anybody waiting.
  virtual void taken() {}

  // --- the worker's own thread
  // A record of the turn will be written; the thread is kept from ending it meanwhile.
  virtual void note(const exec::Finding& finding) = 0;
  // `name`: of the field that holds `text`, "stack", or "no_stack" and why there is none. Once for
  // every turn that was taken.
  virtual void write_finding(const exec::Finding& finding, std::string_view name,
                             std::string_view text) = 0;

 private:
  static constexpr int kStateBits = 2;
  static constexpr std::uint64_t kStateMask = 3;
  // Of a turn; between two the word is 0.
  static constexpr std::uint64_t kOpen = 0;
  static constexpr std::uint64_t kHeld = 1;
  static constexpr std::uint64_t kTaking = 2;  // by a thread that will not be long
  static constexpr std::uint64_t kTaken = 3;

  std::atomic<std::uint64_t> word_{0};
  std::uint64_t turn_ = 0;  // the thread's: shifted, as in word_
  // Guarded by the GIL:
  bool is_interrupted_ = false;
  bool is_shielded_ = false;
  bool is_written_ = false;
  bool is_stubborn_ = false;
  std::atomic<std::uint64_t> expired_turn_{0};  // the last one that expire() took
};

}  // namespace corral::gateway
