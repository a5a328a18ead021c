// What one thread of a worker has in hand, as its watcher sees it. A program makes one for each of
// its threads (Program::make_post) and says there when it begins and ends a piece of work, a turn.
//
// Turns are numbered; a number does not come again. Who found one to be overdue names it by its
// number, so that what he does cannot meet the next one.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "exec/bell.h"
#include "interp/interpreter.h"

namespace corral::exec {

// A turn that runs for longer than it should.
struct Finding {
  enum class Kind : std::uint8_t {
    slow,     // worth a record
    overdue,  // its time is over
    stubborn  // it was interrupted and goes on
  };
  Kind kind = Kind::slow;
  std::uint64_t turn = 0;
  Milliseconds ran_ms = 0;
  std::string thread;  // "web.1.0"
};

class Post {
 public:
  virtual ~Post() = default;

  // --- any thread
  // The number of the present turn; 0 between two.
  virtual std::uint64_t turn() const = 0;
  // How long the present turn may take, where it has a limit of its own; 0: as all of the worker's.
  virtual Milliseconds turn_time_max_ms() const { return 0; }
  // Whether somebody wants the end of the present turn, whatever is left of its time.
  virtual bool is_cancelled() const { return false; }
  // Whether the thread's time is its own just now; else it waits for somebody outside, and that
  // does not count.
  virtual bool is_timed() const = 0;

  // --- the watcher, which holds no interpreter, but the worker's lock: no calls back into that
  // The turn's time is over: whoever waits for it is answered in the thread's place, and nothing
  // that the thread does for him later has any effect. False when the thread is answering just now,
  // so that it cannot be done yet. Nothing happens when the turn has ended.
  virtual bool expire(const Finding& finding) = 0;
  // Writes the record of a finding without having seen the thread; `why` that could not be.
  virtual void report_unseen(const Finding& finding, std::string_view why) = 0;

  // --- the worker's own thread, attached
  // Writes the record of a finding with what `thread` executes. One that is overdue is interrupted,
  // and relieved in the same breath. False when the turn has ended meanwhile: then nothing is done.
  // `thread` is inside the interpreter until the first Python code that this runs.
  virtual bool report(interp::Attached& attached, const interp::PythonThread& thread,
                      const Finding& finding) = 0;

  // --- the end of the thread's service
  // Another thread has taken this one's place: it leaves when its turn is over.
  void relieve() { relieved_.store(true, std::memory_order_release); }
  bool is_relieved() const { return relieved_.load(std::memory_order_acquire); }
  // The same, for who sleeps on behalf of the thread.
  const std::atomic<bool>& relieved() const { return relieved_; }

  void set_bell(Bell* bell) { bell_ = bell; }

 protected:
  // To be called after the begin of a turn has become visible in turn().
  void ring() const {
    if (bell_ != nullptr) bell_->ring_if_asleep();
  }
  // To be called after is_cancelled() has become true: the watcher looks at once.
  void ring_now() const {
    if (bell_ != nullptr) bell_->ring();
  }

 private:
  std::atomic<bool> relieved_{false};
  Bell* bell_ = nullptr;  // constant once the thread runs
};

}  // namespace corral::exec
