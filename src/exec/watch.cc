#include "exec/watch.h"

#include <algorithm>

#include "exec/worker.h"

namespace corral::exec {

void Watch::add(Worker& worker) {
  std::lock_guard lock(mutex_);
  workers_.push_back(&worker);
  tick_ms_ = std::min(tick_ms_, worker.watch_tick_ms());
}

void Watch::remove(Worker& worker) {
  std::lock_guard lock(mutex_);
  std::erase(workers_, &worker);
}

Milliseconds Watch::tick_ms() {
  std::lock_guard lock(mutex_);
  return tick_ms_;
}

void Watch::start() {
  thread_ = Thread("watch", [this] { run(); });
}

void Watch::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  bell_.ring();
  thread_.join();
}

// All workers once; whether anything runs.
bool Watch::look() {
  std::lock_guard lock(mutex_);
  bool runs = false;
  for (Worker* worker : workers_) runs |= worker->look(monotonic_ms());
  return runs;
}

void Watch::run() {
  Milliseconds awake_until_ms = 0;
  while (!stopping_.load(std::memory_order_acquire)) {
    bool runs = look();
    if (!runs && monotonic_ms() >= awake_until_ms && bell_.can_sleep()) {
      bell_.fall_asleep();
      runs = look();  // what began before it was seen that we sleep
      if (!runs) {
        bell_.wait(-1);
        awake_until_ms = monotonic_ms() + kAwakeMs;
        continue;
      }
    }
    bell_.wait(tick_ms());
  }
}

}  // namespace corral::exec
