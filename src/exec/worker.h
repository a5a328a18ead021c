// One worker: an interpreter and its threads, from birth to end.
//
//   starting --loaded--> ready --drain(), all threads left by themselves--> draining --> ended
//      |  \-- not needed: ended       \                                         |
//      +-- failed                      +--------- abandon(): abandoned ---------+
//
// The worker's own OS thread ("web.1") makes the interpreter and ends it when all others have left.
// In between it sleeps, or enters the interpreter to look at a thread that takes too long. The
// first of the others ("web.1.0") loads the program; each runs it until it returns.
//
//   a thread:  serving --its time is over--> relieved (another serves in its place)
//                 |                              |       \-- does not leave: abandoned
//                 +-------- left <---------------+-----------------------------+
//
// An abandoned thread is counted and left alone; when it comes back, it leaves like the others. An
// interpreter that cannot be entered because one of its threads keeps the GIL makes the worker
// `stuck`: its owner relieves it and starts another.
//
// Sources: worker.cc (life), worker_watch.cc (threads that take too long).
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/thread.h"
#include "exec/program.h"
#include "exec/watch.h"

namespace corral::exec {

enum class WorkerState { starting, ready, draining, ended, failed, not_needed, abandoned };

// How long a turn may take that has no limit of its own (Post::turn_time_max_ms); 0: for ever.
struct TimeLimits {
  Milliseconds turn_time_max_ms = 0;
  Milliseconds slow_turn_ms = 0;  // beyond it the turn is worth a record
};

// The interpreter is entered by then, or a thread keeps its GIL.
constexpr Milliseconds kEnterPatienceMs = 2'000;
// An interrupted thread has left by then, or it is in a call that cannot be interrupted.
constexpr Milliseconds kLeavePatienceMs = 1'000;
// Who swallowed an interrupt gets another.
constexpr Milliseconds kInterruptAgainMs = 5'000;

class Worker {
 public:
  struct Options {
    std::string name;  // "web.1"; its threads are "web.1.0", ...
    int threads = 1;
    interp::Placement placement = interp::Placement::sub_interpreter;
    int nice = 0;  // added to the OS priority of its threads: task threads give way to web threads
    TimeLimits limits;
    Watch* watch = nullptr;  // looks at the worker from its start to its end; null: nobody does
    std::function<void()>
        on_change;  // called, detached and without locks, after each change of state, and when
                    // abandoned_threads() or is_stuck() changes
  };

  Worker(Options options, std::unique_ptr<Program> program, Log& log);
  ~Worker();  // requires ended, failed, not_needed or abandoned

  void start();
  // Asks the program to stop; its queue must have been closed by the owner.
  void drain();
  // Every thread leaves as soon as it is between two turns.
  void relieve();
  // Gives up on threads that have not left; true when there were any. They are detached and never
  // touched again; the process must then _exit.
  bool abandon();

  WorkerState state() const { return state_.load(std::memory_order_acquire); }
  bool is_over() const;
  const std::string& name() const { return options_.name; }
  // After `failed`: the line for the operator.
  std::string failure() const;

  // --- too long
  // Threads that did not obey their interrupt and are still inside.
  int abandoned_threads() const;
  // Of a worker that is to end: nobody is inside but abandoned threads.
  bool waits_for_abandoned() const;
  // A thread is overdue and the interpreter could not be entered to interrupt it.
  bool is_stuck() const { return stuck_.load(std::memory_order_acquire); }

  // --- the watcher
  // Looks at every thread once; whether any has something in hand.
  bool look(Milliseconds now_ms);
  Milliseconds watch_tick_ms() const;

 private:
  enum class Service : std::uint8_t { serving, relieved, abandoned, left };

  // What the watcher has seen of a thread.
  struct Sample {
    std::uint64_t turn = 0;
    Milliseconds seen_ms = 0;  // at the last look
    Milliseconds ran_ms = 0;   // of the turn, less what does not count
    Milliseconds interrupted_at_ran_ms = -1;
    bool is_told_slow = false;
    bool is_expired = false;
  };

  // One thread that runs the program. Made and erased by the worker's own thread alone.
  struct Hand {
    std::string name;                        // constant
    std::unique_ptr<Post> post;              // constant; null: not watched
    Thread thread;                           // the worker's own thread's
    interp::PythonThread* inside = nullptr;  // guarded by mutex_; null: not in the interpreter
    Service service = Service::serving;      // guarded by mutex_
    Milliseconds relieved_ms = 0;            // guarded by mutex_
    Sample sample;                           // guarded by mutex_
  };

  // An errand for the worker's own thread.
  struct Visit {
    Hand* hand;
    Finding finding;
    Milliseconds asked_ms;
  };

  enum class Entrance : std::uint8_t { loads, joins };

  // --- worker.cc
  void live();
  Result<Loaded> open(interp::Interpreter& interpreter);
  void add_hand(interp::Interpreter& interpreter, std::string name, Entrance entrance);
  void run_hand(interp::Interpreter& interpreter, Hand& hand, Entrance entrance);
  bool prepare(interp::PythonThread& thread, Entrance entrance);
  void leave(Hand& hand);
  void mind(interp::Interpreter& interpreter, interp::PythonThread& own);
  std::list<Hand> take_left();
  void fail(const Error& error);
  void enter(WorkerState next);
  void tell() const;

  // --- worker_watch.cc
  bool look_at(Hand& hand, Milliseconds now_ms);
  void judge(Hand& hand, Milliseconds now_ms);
  bool is_newly_abandoned(Hand& hand, Milliseconds now_ms);
  void ask_for_visit(Hand& hand, Finding::Kind kind, Milliseconds now_ms);
  bool give_up_visits(Milliseconds now_ms);
  void visit(interp::Interpreter& interpreter, interp::PythonThread& own);
  void replace(interp::Interpreter& interpreter, Hand& hand);

  const Options options_;
  const std::unique_ptr<Program> program_;
  Log& log_;
  std::atomic<WorkerState> state_{WorkerState::starting};
  std::atomic<bool> stuck_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;       // an errand for the own thread, or for the first one
  std::list<Hand> hands_;                 // guarded by mutex_
  std::deque<Visit> visits_;              // guarded by mutex_
  std::optional<Result<Loaded>> loaded_;  // guarded by mutex_
  bool is_open_ = false;                  // guarded by mutex_: the first thread may go on
  bool relieved_ = false;                 // guarded by mutex_: no thread is replaced any more
  std::string failure_;                   // guarded by mutex_
  Thread own_;
};

}  // namespace corral::exec
