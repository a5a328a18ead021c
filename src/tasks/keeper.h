// The keeper: claims jobs for the threads of this node, writes their outcomes, keeps the node alive
// in the store, and rescues what dead nodes left. One per node, on a thread of its own; it never
// runs user code.
//
//   booting --open() ok--> running --drain()--> draining --all finished or grace over--> stopped
//               ^             |
//               +-- database lost: pause, open() again
//
// How work flows: claim in batches into `ready` (never more than free threads plus a small
// prefetch), task threads pop `ready`, run, and call finish(); the keeper flushes outcomes in
// batches when it would otherwise sleep, when the batch is full, or after a few milliseconds. One
// wake-up per batch: an eventfd, written only when the keeper may be asleep.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/limits.h"
#include "base/log.h"
#include "dispatch/queue.h"
#include "tasks/job.h"
#include "tasks/store.h"

namespace corral::tasks {

class Keeper {
 public:
  struct Options {
    int threads = 1;  // task threads of this node, all workers together
    TaskLimits limits;
    int node_wake_fd =
        -1;  // borrowed eventfd that other processes of this node write on commit; -1: none
    // Interrupts the thread that runs this attempt, see Canceller::Interrupt.
    std::function<bool(const std::string& id, std::int64_t lease)> interrupt =
        [](const std::string&, std::int64_t) { return false; };
    // Wraps the keeper thread's whole life, so that a store that needs an interpreter gets one
    // (gateway/store_call.h).
    std::function<void(const std::function<void()>& body)> around_thread = [](const auto& body) {
      body();
    };
  };

  // The node's eventfd adds up what is written to it: so much says that jobs were cancelled.
  static constexpr std::uint64_t kCancelledWake = std::uint64_t{1} << 32;

  Keeper(Store& store, Options options, Log& log);
  ~Keeper();  // requires stopped or never started

  // Starts the thread; returns when the store is open, or its error (the keeper is stopped then).
  // Twice is a bug.
  Result<void> start();

  // From any thread, never blocks: a commit of this process wrote jobs. Harmless before start() and
  // after drain().
  void wake();
  // The same, for a commit that cancelled jobs.
  void wake_for_cancelled();
  // From task threads: the attempt that a popped job described is over. Every popped job needs
  // exactly one. An outcome that comes after the job was given back is dropped. The keeper must
  // outlive the task threads.
  void finish(Outcome outcome);
  // Where task threads take their work; closed by drain().
  dispatch::Queue<Job>& ready() { return ready_; }

  // Stops claiming, gives back what was not begun, waits for running jobs until the deadline, gives
  // back those that still run then, flushes, closes the store and ends the thread. Returns how many
  // jobs were still running. Twice is harmless; from another thread it may bring the deadline
  // forward. A store call in progress is waited for, whatever it takes. `deadline_ms` is a moment
  // of monotonic_ms(), not a span.
  int drain(Milliseconds deadline_ms);

 private:
  struct Impl;
  dispatch::Queue<Job> ready_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace corral::tasks
