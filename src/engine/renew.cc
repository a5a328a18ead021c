// Web and task workers that cannot be helped: stuck ones, those whose replacement does not
// start, and processes that hold too much of what was abandoned.
#include <unistd.h>

#include <algorithm>

#include "engine/engine.h"

namespace corral::engine {
namespace {

// Each costs its stack, and what it has open.
constexpr int kAbandonedThreadsMax = 64;
// Each costs an interpreter with the site in it.
constexpr std::size_t kStuckWorkersMax = 4;

}  // namespace

// False when this process is better replaced.
bool Engine::mind_workers() {
  retired_.remove_if([](const auto& worker) { return worker->is_over(); });
  for (Slot& slot : slots_) {
    if (slot.group->role == Role::command) continue;
    if (slot.restart_at_ms >= 0) {
      if (monotonic_ms() >= slot.restart_at_ms) start_worker(slot);
    } else if (slot.worker->is_stuck()) {
      replace_stuck(slot);
    } else if (slot.worker->state() == exec::WorkerState::failed) {
      const Milliseconds pause_ms = pause_before_restart(slot);
      const std::string failure = slot.worker->failure();
      log_.error(207, "a worker could not be replaced; it is tried again after a pause",
                 {{"worker", slot.name}, {"reason", failure}, {"pause_ms", pause_ms}});
    }
  }
  return !has_too_much_abandoned();
}

// The interpreter is given up with whatever is in it. The main one cannot be: the process ends, and
// the supervisor starts another.
void Engine::replace_stuck(Slot& slot) {
  const bool is_whole_process = slot.group->placement == interp::Placement::main;
  log_.error(206,
             is_whole_process
                 ? "a call keeps the interpreter to itself and cannot be interrupted: the process "
                   "ends, another takes its place"
                 : "a call keeps the interpreter to itself and cannot be interrupted: the worker "
                   "is abandoned, another takes its place",
             {{"worker", slot.name}});
  if (is_whole_process) {
    for (http::Exchange& exchange : requests_.drain()) exchange.shed(Limit::none);
    give_up(1);
  }
  slot.worker->relieve();
  if (slot.group->role == Role::web) server_->polling().wake();
  if (slot.group->role == Role::tasks) keeper_->ready().wake_all();
  retired_.push_back(std::move(slot.worker));
  start_worker(slot);
}

bool Engine::has_too_much_abandoned() {
  int threads = 0;
  for (const Slot& slot : slots_) threads += slot.worker->abandoned_threads();
  for (const auto& worker : retired_) threads += worker->abandoned_threads();
  if (threads < kAbandonedThreadsMax && retired_.size() < kStuckWorkersMax) return false;
  log_.error(208,
             "too many threads are abandoned: this process finishes what runs and ends, another "
             "takes its place",
             {{"threads", threads}, {"workers", retired_.size()}});
  return true;
}

// Whether the worker has ended, or nobody is left in it who could be waited for.
bool Engine::is_gone(const exec::Worker& worker) {
  return worker.is_over() || worker.waits_for_abandoned() || worker.is_stuck();
}

// Everything else has ended. Their clients have had their answers: the process need not wait.
void Engine::leave_abandoned_behind() {
  int threads = 0;
  for (const Slot& slot : slots_) threads += slot.worker->abandoned_threads();
  log_.warning(209, "threads that were abandoned are left behind; all else has ended cleanly",
               {{"threads", threads}, {"stuck_workers", retired_.size()}});
  log_.flush();
  ::_exit(0);
}

}  // namespace corral::engine
