#include "supervisor/child.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "supervisor/signals.h"

namespace corral::supervisor {
namespace {

using control::Kind;
using control::Message;

// A process that cannot be reached any more is on its way out; it gets this long.
constexpr Milliseconds kUnreachableMs = 1'000;

constexpr const char* kNames[] = {"paused", "booting", "ready", "serving", "leaving", "ended"};

bool is_legal(ChildState from, ChildState to) {
  switch (to) {
    case ChildState::paused:
      return from != ChildState::ended;
    case ChildState::booting:
      return from == ChildState::paused;
    case ChildState::ready:
      return from == ChildState::booting;
    case ChildState::serving:
      return from == ChildState::ready;
    case ChildState::leaving:
      return from != ChildState::paused && from != ChildState::ended;
    case ChildState::ended:
      return from != ChildState::ended;
  }
  return false;
}

}  // namespace

std::string describe_ending(int wait_status) {
  if (!WIFSIGNALED(wait_status))
    return "exited with code " + std::to_string(WEXITSTATUS(wait_status));
  return "was killed by " + signal_name(WTERMSIG(wait_status)) +
         (WCOREDUMP(wait_status) ? " (core dumped)" : "");
}

Child::Child(std::string name, const ProcessSpec& spec, std::size_t slot, Milliseconds pause_max_ms)
    : name_(std::move(name)), spec_(spec), slot_(slot), backoff_(pause_max_ms) {}

Result<void> Child::start(const std::vector<int>& inherited_fds, Milliseconds boot_max_ms) {
  auto channel = control::Channel::make_pair();
  if (!channel) return channel.error();
  auto [ours, theirs] = std::move(*channel);
  std::vector<std::string> argv = spec_.argv;
  argv.push_back(std::to_string(theirs.get()));
  std::vector<int> fds = inherited_fds;
  fds.push_back(theirs.get());
  auto process = spawn(argv, fds);
  if (!process) return process.error();
  process_ = std::move(*process);
  channel_ = std::move(ours);
  channel_.send(Kind::config, spec_.config);  // should it be dead already, its end will say so
  channel_.send(Kind::place, std::to_string(inherited_fds.front()) + " " + std::to_string(slot_));
  started_ms_ = monotonic_ms();
  serving_since_ms_ = 0;
  was_killed_ = false;
  last_words_.clear();
  deadline_ms_ = started_ms_ + boot_max_ms;
  enter(ChildState::booting);
  return {};
}

void Child::become_ready() {
  deadline_ms_ = kNever;
  enter(ChildState::ready);
}

void Child::serve() {
  channel_.send(Kind::serve);
  serving_since_ms_ = monotonic_ms();
  enter(ChildState::serving);
}

void Child::leave(Kind how, std::string_view text, Milliseconds patience_ms) {
  const bool is_told = channel_ && channel_.send(how, text);
  if (!was_killed_)
    deadline_ms_ = monotonic_ms() + (is_told ? patience_ms : std::min(patience_ms, kUnreachableMs));
  enter(ChildState::leaving);
}

void Child::pause_until(Milliseconds when_ms) {
  channel_.close();
  deadline_ms_ = when_ms;
  enter(ChildState::paused);
}

void Child::end() {
  channel_.close();
  deadline_ms_ = kNever;
  enter(ChildState::ended);
}

void Child::kill() {
  if (!is_running()) return;
  ::kill(process_.pid, SIGKILL);  // not reaped yet, so the number is still its own
  was_killed_ = true;
  deadline_ms_ = kNever;
}

void Child::give_time(Milliseconds patience_ms, std::string why) {
  deadline_ms_ = monotonic_ms() + patience_ms;
  last_words_ = std::move(why);
}

std::optional<Message> Child::try_receive() {
  if (!channel_) return std::nullopt;
  auto message = channel_.receive(0);
  if (message && message->kind == Kind::closed) channel_.close();
  return message;
}

std::optional<int> Child::try_reap() {
  if (!is_running()) return std::nullopt;
  int status = 0;
  const pid_t ended = waitpid(process_.pid, &status, WNOHANG);
  CORRAL_CHECK(ended >= 0, "a child of the supervisor was reaped by somebody else");
  if (ended == 0) return std::nullopt;
  process_.handle.reset();
  process_.pid = -1;
  return status;
}

Milliseconds Child::served_ms() const {
  return has_served() ? monotonic_ms() - serving_since_ms_ : 0;
}

void Child::enter(ChildState next) {
  if (!is_legal(state_, next)) [[unlikely]] {
    std::fprintf(stderr, "corral: child %s: %s -> %s\n", name_.c_str(),
                 kNames[static_cast<int>(state_)], kNames[static_cast<int>(next)]);
  }
  CORRAL_CHECK(is_legal(state_, next), "a child of the supervisor took an illegal step");
  state_ = next;
}

}  // namespace corral::supervisor
