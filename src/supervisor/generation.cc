#include "supervisor/generation.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>

#include "base/check.h"

namespace corral::supervisor {
namespace {

using control::Kind;

// A process whose control channel closed is ending (a core dump comes before that); else it is
// beyond our reach.
constexpr Milliseconds kSilentMs = 5'000;

std::vector<int> inherited_fds(const Plan& plan, const control::Scoreboard& scoreboard) {
  std::vector<int> fds = scoreboard.fds();
  fds.insert(fds.end(), plan.listen_fds.begin(), plan.listen_fds.end());
  for (int fd : {plan.wake_fd, plan.access_fd}) {
    if (fd >= 0) fds.push_back(fd);
  }
  return fds;
}

std::string seconds(Milliseconds ms) {
  std::string text = std::to_string(ms / 1'000);
  if (ms % 1'000 != 0) text += "." + std::to_string(ms % 1'000 / 100);
  return text + " s";
}

}  // namespace

Result<control::Scoreboard> make_scoreboard(const Plan& plan) {
  std::size_t count = 0;
  for (const ProcessSpec& spec : plan.processes) count += static_cast<std::size_t>(spec.count);
  auto scoreboard = control::Scoreboard::create(count);
  if (!scoreboard) return scoreboard;
  std::size_t slot = 0;
  for (const ProcessSpec& spec : plan.processes) {
    for (int i = 0; i < spec.count; ++i, ++slot) {
      if (spec.count == 1) continue;
      if (auto added = scoreboard->add_inbox(slot); !added) return added.error();
    }
  }
  return scoreboard;
}

Generation::Generation(const Plan& plan, control::Scoreboard& scoreboard, Log& log)
    : plan_(plan),
      scoreboard_(scoreboard),
      log_(log),
      inherited_fds_(inherited_fds(plan, scoreboard)) {
  for (const ProcessSpec& spec : plan.processes) {
    for (int i = 0; i < spec.count; ++i) {
      const std::string name = spec.count > 1 ? spec.name + "." + std::to_string(i) : spec.name;
      children_.emplace_back(name, spec, children_.size(), plan.backoff_max_ms);
    }
  }
}

void Generation::start() {
  for (Child& child : children_) {
    if (has_failed_) break;
    boot(child);
  }
}

void Generation::serve() {
  state_ = GenerationState::serving;
  for (Child& child : children_) child.serve();
}

void Generation::drain(Milliseconds grace_ms) {
  state_ = GenerationState::leaving;
  for (Child& child : children_) {
    switch (child.state()) {
      case ChildState::paused:
        child.end();
        break;
      case ChildState::booting:
        child.leave(Kind::stop, "", kStopPatienceMs);
        break;
      case ChildState::ready:
      case ChildState::serving:
        child.leave(Kind::drain, std::to_string(grace_ms), grace_ms + kGraceMarginMs);
        break;
      case ChildState::leaving:
      case ChildState::ended:
        break;
    }
  }
  settle();
}

void Generation::stop() {
  state_ = GenerationState::leaving;
  is_stopping_ = true;
  for (Child& child : children_) {
    if (child.state() == ChildState::ended) continue;
    if (child.is_running()) {
      child.leave(Kind::stop, "", kStopPatienceMs);
    } else {
      child.end();
    }
  }
  settle();
}

void Generation::step() {
  for (Child& child : children_) {
    read_messages(child);
    const pid_t pid = child.pid();
    if (const auto wait_status = child.try_reap()) {
      read_messages(child);  // what it said between the two lines above
      on_ending(child, *wait_status, pid);
    } else if (child.deadline_ms() <= monotonic_ms()) {
      on_deadline(child);
    }
  }
  settle();
}

void Generation::watch(std::vector<pollfd>& into) const {
  for (const Child& child : children_) {
    for (int fd : {child.channel_fd(), child.handle_fd()}) {
      if (fd >= 0) into.push_back(pollfd{fd, POLLIN, 0});
    }
  }
}

Milliseconds Generation::deadline_ms() const {
  Milliseconds earliest_ms = kNever;
  for (const Child& child : children_) earliest_ms = std::min(earliest_ms, child.deadline_ms());
  return earliest_ms;
}

bool Generation::is_ready() const {
  return std::all_of(children_.begin(), children_.end(),
                     [](const Child& child) { return child.state() == ChildState::ready; });
}

bool Generation::owns(pid_t pid) const {
  return std::any_of(children_.begin(), children_.end(),
                     [pid](const Child& child) { return child.pid() == pid; });
}

void Generation::boot(Child& child) {
  scoreboard_.begin(child.slot());
  const auto started = child.start(inherited_fds_, plan_.boot_max_ms);
  if (started) return;
  if (state_ == GenerationState::booting) return fail(child, -1, started.error().message);
  restart_later(child, -1, started.error().message);
}

void Generation::read_messages(Child& child) {
  while (auto message = child.try_receive()) {
    switch (message->kind) {
      case Kind::ready:
        on_ready(child, message->text);
        break;
      case Kind::failed:
        on_failed(child, std::move(message->text));
        break;
      case Kind::closed:
        return on_closed(child);
      default:
        break;  // our own kinds never come back
    }
  }
}

void Generation::on_ready(Child& child, const std::string& note) {
  if (child.state() != ChildState::booting) return;
  child.become_ready();
  if (!note.empty()) log_.info(note, {{"process", child.name()}, {"pid", child.pid()}});
  if (state_ != GenerationState::serving) return;
  child.serve();
  log_.info(child.name() + " serves again", {{"process", child.name()},
                                             {"pid", child.pid()},
                                             {"boot_ms", monotonic_ms() - child.started_ms()}});
}

void Generation::on_failed(Child& child, std::string text) {
  child.give_time(kSilentMs, text);
  if (state_ == GenerationState::booting) fail(child, child.pid(), text);
}

void Generation::on_closed(Child& child) {
  if (!child.is_running() || child.state() == ChildState::leaving || !child.last_words().empty())
    return;
  child.give_time(std::min(kSilentMs, child.deadline_ms() - monotonic_ms()), "");
}

void Generation::on_ending(Child& child, int wait_status, pid_t pid) {
  scoreboard_.clear(child.slot());
  const std::string how = child.name() + " " + describe_ending(wait_status);
  const std::string& reason = child.last_words().empty() ? how : child.last_words();
  switch (state_) {
    case GenerationState::booting:
      fail(child, pid, child.last_words().empty() ? how + " before it was ready" : reason);
      child.end();
      break;
    case GenerationState::serving:
      restart_later(child, pid, reason);
      break;
    case GenerationState::leaving:
      judge_leaving(child, wait_status, pid);
      child.end();
      break;
    case GenerationState::over:
      CORRAL_CHECK(false, "a child ended after the last one");
  }
}

void Generation::on_deadline(Child& child) {
  // Where nothing at all can boot, a later version answers 503 from the listening sockets meanwhile
  // (README.md).
  if (child.state() == ChildState::paused) return boot(child);
  if (child.state() == ChildState::leaving && !is_stopping_ && child.has_served()) {
    was_forced_ = true;
    log_.error(105,
               child.name() + " was not done when the grace of " + seconds(plan_.grace_ms) +
                   " was over; it is killed and what it was doing is cut off",
               {{"process", child.name()}, {"pid", child.pid()}});
  } else if (child.last_words().empty()) {
    child.set_last_words(
        child.channel_fd() < 0
            ? child.name() + " closed its control channel and went on running, so it was killed"
            : child.name() + " was not ready within " + seconds(plan_.boot_max_ms));
  }
  child.kill();
}

void Generation::fail(const Child& child, pid_t pid, const std::string& reason) {
  if (std::exchange(has_failed_, true)) return;  // the first reason is the one that helps
  log_.error(101, "failed to start: " + reason, {{"process", child.name()}, {"pid", pid}});
}

void Generation::restart_later(Child& child, pid_t pid, const std::string& reason) {
  const Milliseconds pause_ms = child.backoff().next_pause_ms(child.served_ms());
  const std::string when = pause_ms == 0 ? "now" : "in " + std::to_string(pause_ms) + " ms";
  const std::initializer_list<LogField> fields = {
      {"process", child.name()}, {"pid", pid}, {"pause_ms", pause_ms}};
  if (child.has_served()) {
    log_.error(102, reason + "; what it was doing is lost, it is started again " + when, fields);
  } else {
    log_.error(103, child.name() + " did not come back: " + reason + "; next try " + when, fields);
  }
  child.pause_until(monotonic_ms() + pause_ms);
}

void Generation::judge_leaving(const Child& child, int wait_status, pid_t pid) {
  const bool is_clean = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
  if (is_clean || is_stopping_ || child.was_killed() || !child.has_served()) return;
  was_forced_ = true;
  log_.error(108,
             child.name() + " " + describe_ending(wait_status) +
                 " while it drained; what it was still doing is cut off, the others go on draining",
             {{"process", child.name()}, {"pid", pid}});
}

void Generation::settle() {
  const bool is_over = std::all_of(children_.begin(), children_.end(), [](const Child& child) {
    return child.state() == ChildState::ended;
  });
  if (state_ == GenerationState::leaving && is_over) state_ = GenerationState::over;
}

}  // namespace corral::supervisor
