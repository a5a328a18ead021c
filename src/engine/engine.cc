// Serving: what the engine's first thread does between READY and the end.
#include "engine/engine.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <climits>

namespace corral::engine {
namespace {

constexpr Milliseconds kRestartPauseMinMs = 500;
constexpr Milliseconds kRestartPauseMaxMs = 30'000;
constexpr Milliseconds kHealthyMs =
    60'000;  // a command that ran this long starts anew without the pause it had earned

// When nobody has said how long the way down may take.
constexpr Milliseconds kUnaskedDrainMs = 10'000;

}  // namespace

int Engine::run() {
  if (Result<void> booted = boot(); !booted) {
    channel_.send(control::Kind::failed, booted.error().message);
    give_up(1);
  }
  report_ready();
  serve();
  return drain(drain_ms_);
}

void Engine::call_attention() { eventfd_write(attention_.get(), 1); }

std::optional<control::Message> Engine::wait(Milliseconds wait_ms) {
  pollfd watched[] = {{channel_.fd(), POLLIN, 0}, {attention_.get(), POLLIN, 0}};
  const int count =
      ::poll(watched, 2, static_cast<int>(std::clamp<Milliseconds>(wait_ms, -1, INT_MAX)));
  if (count <= 0) return std::nullopt;
  if (watched[1].revents != 0) {
    eventfd_t ignored;
    eventfd_read(attention_.get(), &ignored);
  }
  if (watched[0].revents == 0) return std::nullopt;
  return channel_.receive(0);
}

// Returns when it is time to drain.
void Engine::serve() {
  for (;;) {
    mind_commands();
    if (!mind_workers()) {
      drain_ms_ = kUnaskedDrainMs;
      return;
    }
    const auto message = wait(next_restart_ms());
    if (!message) continue;
    switch (message->kind) {
      case control::Kind::serve:
        if (server_) {
          server_->serve();
        } else {
          tell_state(control::SlotState::serving);
        }
        break;
      case control::Kind::drain:
        drain_ms_ = std::max(0, std::atoi(message->text.c_str()));
        return;
      case control::Kind::stop:
        give_up(3);
      case control::Kind::closed:
        log_.error(201, "the supervisor is gone; this process finishes what runs and ends");
        drain_ms_ = kUnaskedDrainMs;
        return;
      default:
        break;
    }
  }
}

// Management commands are meant to run for ever: one that fails is started again, after growing
// pauses.
void Engine::mind_commands() {
  for (Slot& slot : slots_) {
    if (slot.group->role != Role::command || slot.finished) continue;
    if (slot.restart_at_ms < 0 && slot.worker->is_over()) command_ended(slot);
    if (slot.restart_at_ms >= 0 && monotonic_ms() >= slot.restart_at_ms) start_worker(slot);
  }
}

void Engine::command_ended(Slot& slot) {
  if (slot.worker->state() == exec::WorkerState::ended && slot.command->exit_status() == 0) {
    slot.finished = true;
    log_.info("a management command has ended well and is not started again",
              {{"worker", slot.name}});
    return;
  }
  const Milliseconds pause_ms = pause_before_restart(slot);
  const std::string failure = slot.worker->failure();
  log_.error(202, "a management command ended; it is started again after a pause",
             {{"worker", slot.name},
              {"status", slot.command->exit_status()},
              {"reason", failure},
              {"pause_ms", pause_ms}});
}

Milliseconds Engine::pause_before_restart(Slot& slot) {
  if (monotonic_ms() - slot.started_ms > kHealthyMs) slot.restarts = 0;
  const Milliseconds pause_ms =
      std::min(kRestartPauseMaxMs, kRestartPauseMinMs << std::min(slot.restarts++, 10));
  slot.restart_at_ms = monotonic_ms() + pause_ms;
  return pause_ms;
}

Milliseconds Engine::next_restart_ms() const {
  Milliseconds next = -1;
  for (const Slot& slot : slots_) {
    if (slot.restart_at_ms < 0) continue;
    const Milliseconds left = std::max<Milliseconds>(0, slot.restart_at_ms - monotonic_ms());
    next = next < 0 ? left : std::min(next, left);
  }
  return next;
}

}  // namespace corral::engine
