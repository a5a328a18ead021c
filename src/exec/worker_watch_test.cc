// Threads that take too long, with a program whose turns are functions of the test.
#include <Python.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <map>

#include "dispatch/queue.h"
#include "exec/worker.h"
#include "interp/thread_control.h"

namespace corral::exec {
namespace {

using Turn = std::function<void(interp::Attached&)>;
using Kind = Finding::Kind;

// Whether this process has a thread of this name.
bool is_thread_there(const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string found;
    if (std::getline(file, found) && found == name) return true;
  }
  return false;
}

// What the posts were told, and a wait for it with a bound that only a hang reaches.
class Diary {
 public:
  void note(Kind kind, bool was_seen) {
    std::lock_guard lock(mutex_);
    ++(was_seen ? seen_ : unseen_)[kind];
    changed_.notify_all();
  }
  void expired() {
    std::lock_guard lock(mutex_);
    ++expired_;
    changed_.notify_all();
  }
  void tell() {
    std::lock_guard lock(mutex_);
    changed_.notify_all();
  }
  // The condition is asked without our lock: it may ask the worker, which calls us under its own.
  template <typename Condition>
  bool wait(Condition condition) {
    for (int looks_left = 3'000; looks_left > 0; --looks_left) {
      if (condition()) return true;
      std::unique_lock lock(mutex_);  // states of the worker change without a note, too
      changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
    return false;
  }
  bool waits_for_end_of_relieved = false;  // constant once the worker runs
  bool wait_seen(Kind kind) {
    return wait([&] { return seen(kind) > 0; });
  }
  bool wait_unseen(Kind kind) {
    return wait([&] { return unseen(kind) > 0; });
  }
  int unseen(Kind kind) {
    std::lock_guard lock(mutex_);
    return unseen_[kind];
  }
  int seen(Kind kind) {
    std::lock_guard lock(mutex_);
    return seen_[kind];
  }
  int expired_count() {
    std::lock_guard lock(mutex_);
    return expired_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Kind, int> seen_, unseen_;
  int expired_ = 0;
};

class TestPost final : public Post {
 public:
  explicit TestPost(Diary& diary) : diary_(diary) {}

  void begin() {
    turn_.store(++last_, std::memory_order_release);
    ring();
  }
  // Attached, so that report() is before it or after it.
  void end(interp::Attached& attached) {
    turn_.store(0, std::memory_order_release);
    if (std::exchange(interrupted_, false)) interp::clear_interrupt(attached);
  }

  std::uint64_t turn() const override { return turn_.load(std::memory_order_acquire); }
  bool is_timed() const override { return true; }
  bool expire(const Finding& finding) override {
    expired_turn.store(finding.turn);
    diary_.expired();
    return true;
  }
  void report_unseen(const Finding& finding, std::string_view) override {
    diary_.note(finding.kind, false);
  }
  bool report(interp::Attached& attached, const interp::PythonThread& thread,
              const Finding& finding) override {
    if (turn() != finding.turn) return false;
    if (finding.kind != Kind::slow) {
      interp::interrupt(attached, thread, PyExc_TimeoutError);
      interrupted_ = true;
      relieve();
      if (diary_.waits_for_end_of_relieved) {
        interp::Detached detached(attached);
        EXPECT_TRUE(diary_.wait([&] { return !is_thread_there(finding.thread); }));
      }
    }
    diary_.note(finding.kind, true);
    return true;
  }

  std::atomic<std::uint64_t> expired_turn{0};

 private:
  Diary& diary_;
  std::atomic<std::uint64_t> turn_{0};
  std::uint64_t last_ = 0;
  bool interrupted_ = false;  // guarded by the GIL
};

class Turns : public Program {
 public:
  Turns(dispatch::Queue<Turn>& queue, Diary& diary) : queue_(queue), diary_(diary) {}

  Result<Loaded> load(interp::Attached&) override { return Loaded::ready; }
  void enter_thread(interp::Attached&) override {}
  std::unique_ptr<Post> make_post() override { return std::make_unique<TestPost>(diary_); }
  void run(interp::PythonThread& thread, Post* given) override {
    auto& post = static_cast<TestPost&>(*given);
    while (!post.is_relieved()) {
      auto taken = queue_.pop();
      if (!taken) return;
      post.begin();
      interp::Attached attached(thread);
      taken->item(attached);
      const bool failed = PyErr_Occurred() != nullptr;
      PyErr_Clear();
      if (failed) (post.expired_turn == post.turn() ? broken_off : hit_by_mistake)++;
      post.end(attached);
      ++done;
    }
  }
  void unload(interp::Attached&) override {}

  std::atomic<int> done{0};
  std::atomic<int> broken_off{0};      // turns that an interrupt ended
  std::atomic<int> hit_by_mistake{0};  // the same, but their time was not over

 private:
  dispatch::Queue<Turn>& queue_;
  Diary& diary_;
};

void run_python(interp::Attached&, const char* code) {
  interp::Ref globals = interp::Ref::steal(PyDict_New());
  PyDict_SetItemString(globals.get(), "__builtins__", PyEval_GetBuiltins());
  interp::Ref done =
      interp::Ref::steal(PyRun_String(code, Py_file_input, globals.get(), globals.get()));
}

void spin(interp::Attached& attached) { run_python(attached, "while True: pass\n"); }

class WorkerWatchTest : public testing::Test {
 protected:
  WorkerWatchTest() : log_(Log::Options{.level = LogLevel::critical}) {}

  void start(TimeLimits limits, int threads) {
    auto program = std::make_unique<Turns>(queue_, diary_);
    program_ = program.get();
    worker_ = std::make_unique<Worker>(Worker::Options{.name = "test",
                                                       .threads = threads,
                                                       .limits = limits,
                                                       .watch = &watch_,
                                                       .on_change = [this] { diary_.tell(); }},
                                       std::move(program), log_);
    watch_.start();
    worker_->start();
    ASSERT_TRUE(diary_.wait([&] { return worker_->state() == WorkerState::ready; }));
  }
  void push(Turn turn) { ASSERT_EQ(queue_.push(turn), dispatch::Admission::admitted); }
  bool wait_done(int count) {
    return diary_.wait([&] { return program_->done >= count; });
  }
  void end() {
    queue_.close();
    worker_->drain();
    ASSERT_TRUE(diary_.wait([&] { return worker_->state() == WorkerState::ended; }));
    watch_.stop();
  }

  Log log_;
  Diary diary_;
  dispatch::Queue<Turn> queue_{100'000};
  Watch watch_;
  std::unique_ptr<Worker> worker_;
  Turns* program_ = nullptr;
};

TEST_F(WorkerWatchTest, ASlowTurnIsReportedOnceAndGoesOn) {
  start({.slow_turn_ms = 20}, 1);
  std::latch seen(1);
  push([&](interp::Attached& attached) {
    interp::Detached detached(attached);
    seen.wait();
  });
  ASSERT_TRUE(diary_.wait_seen(Kind::slow));
  seen.count_down();
  ASSERT_TRUE(wait_done(1));
  EXPECT_EQ(diary_.seen(Kind::slow), 1);
  EXPECT_EQ(program_->broken_off, 0);
  end();
}

TEST_F(WorkerWatchTest, ALoopIsBrokenOffAndAnotherThreadTakesOver) {
  start({.turn_time_max_ms = 50}, 1);
  push(spin);
  ASSERT_TRUE(wait_done(1));
  EXPECT_EQ(program_->broken_off, 1);
  push([](interp::Attached& attached) { run_python(attached, "pass\n"); });
  ASSERT_TRUE(wait_done(2));
  EXPECT_EQ(worker_->abandoned_threads(), 0);
  EXPECT_FALSE(worker_->is_stuck());
  end();
}

// Writing the record runs Python code, so that the thread can be gone before it is replaced.
TEST_F(WorkerWatchTest, AThreadThatLeavesAtOnceIsReplacedAllTheSame) {
  diary_.waits_for_end_of_relieved = true;
  start({.turn_time_max_ms = 50}, 1);
  push(spin);
  ASSERT_TRUE(wait_done(1));
  push([](interp::Attached&) {});
  ASSERT_TRUE(wait_done(2));
  end();
}

TEST_F(WorkerWatchTest, WhoSwallowsAnInterruptGetsAnother) {
  start({.turn_time_max_ms = 50}, 1);
  push([](interp::Attached& attached) {
    run_python(attached,
               "try:\n"
               "  while True: pass\n"
               "except TimeoutError: pass\n"
               "while True: pass\n");
  });
  ASSERT_TRUE(diary_.wait_seen(Kind::stubborn));
  ASSERT_TRUE(wait_done(1));
  EXPECT_EQ(program_->broken_off, 1);
  end();
}

TEST_F(WorkerWatchTest, ACallThatCannotBeInterruptedCostsItsThreadOnly) {
  start({.turn_time_max_ms = 50}, 2);
  std::latch over(1);
  for (int count = 0; count < 5; ++count) {
    push([&](interp::Attached& attached) {
      interp::Detached detached(attached);
      over.wait();
    });
  }
  ASSERT_TRUE(diary_.wait([&] { return worker_->abandoned_threads() == 5; }));
  EXPECT_EQ(diary_.expired_count(), 5);
  push([](interp::Attached&) {});
  ASSERT_TRUE(wait_done(1));
  over.count_down();
  ASSERT_TRUE(wait_done(6));
  ASSERT_TRUE(diary_.wait([&] { return worker_->abandoned_threads() == 0; }));
  end();
}

TEST_F(WorkerWatchTest, AWorkerThatEndsDoesNotWaitForThem) {
  start({.turn_time_max_ms = 50}, 1);
  std::latch over(1);
  push([&](interp::Attached& attached) {
    interp::Detached detached(attached);
    over.wait();
  });
  ASSERT_TRUE(diary_.wait([&] { return worker_->abandoned_threads() == 1; }));
  EXPECT_FALSE(worker_->waits_for_abandoned());
  queue_.close();
  worker_->drain();
  ASSERT_TRUE(diary_.wait([&] { return worker_->waits_for_abandoned(); }));
  over.count_down();  // it comes back after all: then the worker ends properly
  end();
}

TEST_F(WorkerWatchTest, AnInterpreterWhoseGilIsKeptIsStuckUntilItIsGivenBack) {
  start({.turn_time_max_ms = 50}, 2);
  std::latch over(1);
  push([&](interp::Attached&) { over.wait(); });
  ASSERT_TRUE(diary_.wait_unseen(Kind::overdue));
  ASSERT_TRUE(diary_.wait([&] { return worker_->is_stuck(); }));
  worker_->relieve();
  EXPECT_EQ(worker_->state(), WorkerState::draining);
  over.count_down();
  end();
}

// Turns that end just when their time is over: no interrupt may meet the next one.
TEST_F(WorkerWatchTest, AnInterruptNeverMeetsTheTurnAfter) {
  start({.turn_time_max_ms = 16}, 2);
  constexpr int kTurns = 150;
  for (int number = 0; number < kTurns; ++number) {
    push([number](interp::Attached& attached) {
      const std::string code = "import time\nend = time.monotonic() + " +
                               std::to_string(0.010 + 0.001 * (number % 16)) +
                               "\nwhile time.monotonic() < end: pass\n";
      run_python(attached, code.c_str());
    });
    push([](interp::Attached& attached) { run_python(attached, "for _ in range(100): pass\n"); });
  }
  ASSERT_TRUE(wait_done(2 * kTurns));
  EXPECT_EQ(program_->hit_by_mistake, 0);
  EXPECT_GT(program_->broken_off, 0);
  EXPECT_LT(program_->broken_off, kTurns);
  end();
}

}  // namespace
}  // namespace corral::exec
