// The way down: requests finish, jobs finish or go back, commands get their stop, interpreters end.
#include <unistd.h>

#include <algorithm>

#include "engine/engine.h"

namespace corral::engine {
namespace {

// Of the grace this much is kept for giving jobs back and ending interpreters.
constexpr Milliseconds kReserveMs = 300;
// Even without any grace, workers with nothing to do get this long to end: nothing is cut off then.
constexpr Milliseconds kEndMs = 800;

}  // namespace

int Engine::drain(Milliseconds grace_ms) {
  const Milliseconds now_ms = monotonic_ms();
  const Milliseconds deadline_ms = now_ms + std::max(grace_ms, kEndMs);
  const Milliseconds last_call_ms = now_ms + std::max(grace_ms - kReserveMs, grace_ms / 2);
  stop_web();
  stop_tasks(last_call_ms);
  stop_commands();
  while (!is_down()) {
    const bool is_last_call = monotonic_ms() >= last_call_ms;
    if (web_drained_ || is_last_call) {
      requests_.close();
      if (server_) server_->polling().wake();
      end_workers(Role::web);
    }
    if (tasks_drained_) end_workers(Role::tasks);
    const Milliseconds left_ms = (is_last_call ? deadline_ms : last_call_ms) - monotonic_ms();
    if (is_last_call && left_ms <= 0) leave_behind();
    const auto message = wait(std::max<Milliseconds>(left_ms, 0));
    if (!message) continue;
    if (message->kind == control::Kind::stop) give_up(3);
    if (message->kind == control::Kind::closed) channel_.close();
  }
  for (Thread& drainer : drainers_) drainer.join();
  if (server_) {
    server_->stop();
    server_->limit_log().summarize();
  }
  const bool all_over = std::all_of(slots_.begin(), slots_.end(),
                                    [](const Slot& slot) { return slot.worker->is_over(); });
  if (!all_over || !retired_.empty()) leave_abandoned_behind();
  return 0;
}

void Engine::stop_web() {
  if (!server_) {
    tell_state(control::SlotState::draining);
    web_drained_ = true;
    return;
  }
  server_->drain([this] {
    web_drained_ = true;
    call_attention();
  });
}

// Waiting for running jobs takes as long as they do, so it has a thread of its own.
void Engine::stop_tasks(Milliseconds deadline_ms) {
  if (!keeper_started_) {
    if (keeper_) keeper_->ready().close();
    return;
  }
  tasks_drained_ = false;
  drainers_.emplace_back("drain", [this, deadline_ms] {
    keeper_->drain(deadline_ms);
    tasks_drained_ = true;
    call_attention();
  });
}

void Engine::stop_commands() {
  for (Slot& slot : slots_) {
    if (slot.group->role != Role::command) continue;
    slot.restart_at_ms = -1;
    slot.worker->drain();
  }
}

// Those with nothing to do end now; the others when their last request or job is over.
void Engine::end_workers(Role role) {
  for (Slot& slot : slots_) {
    if (slot.group->role == role) slot.worker->drain();
  }
}

bool Engine::is_down() const {
  const bool workers_over = std::all_of(slots_.begin(), slots_.end(),
                                        [](const Slot& slot) { return is_gone(*slot.worker); });
  return workers_over && web_drained_ && tasks_drained_;
}

// The grace is over.
void Engine::leave_behind() {
  for (Slot& slot : slots_) {
    if (slot.worker->is_over()) continue;
    log_.warning(204, "a worker did not end within the grace and is left behind",
                 {{"worker", slot.name}});
  }
  give_up(3);
}

// What still runs cannot be waited for: it is left behind with the process. Jobs are given back
// first.
void Engine::give_up(int code) {
  for (Slot& slot : slots_) {
    if (slot.worker) slot.worker->abandon();
  }
  if (keeper_started_) keeper_->drain(monotonic_ms());
  if (server_) server_->limit_log().summarize();
  log_.flush();
  ::_exit(code);
}

}  // namespace corral::engine
