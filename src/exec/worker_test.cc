#include "exec/worker.h"

#include <Python.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <set>

#include "dispatch/queue.h"

namespace corral::exec {
namespace {

// Waits for a condition that other threads change, with a bound that only a hang reaches.
class Signal {
 public:
  void notify() {
    std::lock_guard lock(mutex_);
    changed_.notify_all();
  }
  template <typename Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), condition);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

// Squares numbers from a queue, in Python, and notes which threads did it.
class Squares : public Program {
 public:
  explicit Squares(dispatch::Queue<int>& queue) : queue_(queue) {}

  Result<Loaded> load(interp::Attached&) override {
    if (!failure.empty()) return Error{failure};
    return loaded;
  }
  void enter_thread(interp::Attached&) override { ++entered; }
  void run(interp::PythonThread& thread, Post*) override {
    while (auto taken = queue_.pop()) {
      interp::Attached attached(thread);
      PyObject* number = PyLong_FromLong(taken->item);
      PyObject* square = PyNumber_Multiply(number, number);
      sum += PyLong_AsLong(square);
      Py_DECREF(number);
      Py_DECREF(square);
    }
  }
  void unload(interp::Attached&) override { ++unloaded; }

  std::string failure;
  Loaded loaded = Loaded::ready;
  std::atomic<int> entered{0}, unloaded{0};
  std::atomic<long> sum{0};

 private:
  dispatch::Queue<int>& queue_;
};

class WorkerTest : public testing::Test {
 protected:
  WorkerTest() : log_(Log::Options{.level = LogLevel::critical}) {
    auto program = std::make_unique<Squares>(queue_);
    program_ = program.get();
    worker_ = std::make_unique<Worker>(
        Worker::Options{.name = "test", .threads = 3, .on_change = [this] { signal_.notify(); }},
        std::move(program), log_);
  }

  bool reaches(WorkerState state) {
    return signal_.wait([&] { return worker_->state() == state; });
  }

  Signal signal_;
  Log log_;
  dispatch::Queue<int> queue_{1000};
  Squares* program_ = nullptr;
  std::unique_ptr<Worker> worker_;
};

TEST_F(WorkerTest, WorksThroughItsQueueOnAllThreadsAndEnds) {
  worker_->start();
  ASSERT_TRUE(reaches(WorkerState::ready));
  long expected = 0;
  for (int number = 0; number < 500; ++number) {
    expected += long{number} * number;
    int item = number;
    ASSERT_EQ(queue_.push(item), dispatch::Admission::admitted);
  }
  queue_.close();
  worker_->drain();
  ASSERT_TRUE(reaches(WorkerState::ended));
  EXPECT_EQ(program_->sum, expected);
  EXPECT_EQ(program_->entered, 2);  // the first thread loads instead
  EXPECT_EQ(program_->unloaded, 1);
}

TEST_F(WorkerTest, SaysWhyItFailed) {
  program_->failure = "no such module";
  worker_->start();
  ASSERT_TRUE(reaches(WorkerState::failed));
  EXPECT_EQ(worker_->failure(), "no such module");
  EXPECT_EQ(program_->unloaded, 1);
}

TEST_F(WorkerTest, EndsQuietlyWhenNotNeeded) {
  program_->loaded = Loaded::not_needed;
  worker_->start();
  ASSERT_TRUE(reaches(WorkerState::not_needed));
  EXPECT_FALSE(worker_->abandon());
}

TEST_F(WorkerTest, EveryLifeGivesItsInterpreterBack) {
  const int before = interp::count_live_interpreters();
  worker_->start();
  ASSERT_TRUE(reaches(WorkerState::ready));
  EXPECT_EQ(interp::count_live_interpreters(), before + 1);
  queue_.close();
  worker_->drain();
  ASSERT_TRUE(reaches(WorkerState::ended));
  EXPECT_EQ(interp::count_live_interpreters(), before);
}

}  // namespace
}  // namespace corral::exec
