#include "supervisor/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/fd.h"
#include "control/channel.h"
#include "supervisor/generation.h"
#include "supervisor/signals.h"

namespace corral::supervisor {
namespace {

enum ExitCode { kClean = 0, kFailed = 1, kForced = 3 };

// What is wrong with the plan itself; empty: nothing.
std::string fault_of(const Plan& plan) {
  int count = 0;
  for (const ProcessSpec& spec : plan.processes) {
    count += spec.count;
    if (spec.argv.empty()) return "the process " + spec.name + " has no program to execute";
    if (spec.config.size() > control::kMessageBytesMax) {
      return "the configuration of " + spec.name + " has " + std::to_string(spec.config.size()) +
             " bytes, at most " + std::to_string(control::kMessageBytesMax) +
             " can be passed on; shorten the longest settings";
    }
  }
  return count == 0 ? "there is nothing to run; ask for web workers, task workers or commands" : "";
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

// Gives up our share of the sockets, so that the children end the listening when they close theirs.
// The caller owns the numbers and closes them later, so they must stay taken.
void let_go(const std::vector<int>& fds) {
  const Fd nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd : fds) {
    if (!nothing || dup3(nothing.get(), fd, O_CLOEXEC) < 0) close(fd);
  }
}

enum class State { booting, serving, draining, stopping, stopped };

class Supervisor {
 public:
  Supervisor(const Plan& plan, control::Scoreboard& scoreboard, Log& log, Signals& signals)
      : plan_(plan), log_(log), signals_(signals), generation_(plan, scoreboard, log) {}

  int run();

 private:
  void wait() const;
  void on_signal(int signal);
  void on_stop_signal(const std::string& name);
  void drain(const std::string& name);
  void stop(ExitCode code);
  void advance();
  void reap_strangers();
  void enter(State next);

  const Plan& plan_;
  Log& log_;
  Signals& signals_;
  Generation generation_;
  State state_ = State::booting;
  ExitCode exit_code_ = kClean;
  Milliseconds started_ms_ = monotonic_ms();
  Milliseconds first_signal_ms_ = 0;
  bool has_strangers_ = true;  // perhaps: there was a SIGCHLD, or nobody has looked yet
};

int Supervisor::run() {
  if (!plan_.few_descriptors.empty()) log_.warning(109, plan_.few_descriptors);
  generation_.start();
  advance();
  while (state_ != State::stopped) {
    wait();
    for (int signal : signals_.take()) on_signal(signal);
    generation_.step();
    reap_strangers();
    advance();
  }
  return exit_code_;
}

void Supervisor::wait() const {
  std::vector<pollfd> watched{pollfd{signals_.fd(), POLLIN, 0}};
  generation_.watch(watched);
  const Milliseconds due_ms = generation_.deadline_ms();
  Milliseconds wait_ms = -1;
  if (due_ms != kNever) wait_ms = std::clamp<Milliseconds>(due_ms - monotonic_ms(), 0, 1'000'000);
  poll(watched.data(), watched.size(),
       static_cast<int>(wait_ms));  // what is ready is looked at in any case
}

void Supervisor::on_signal(int signal) {
  switch (signal) {
    case SIGCHLD:
      has_strangers_ = true;
      break;
    case SIGINT:
    case SIGTERM:
      on_stop_signal(signal_name(signal));
      break;
    case SIGQUIT:
      if (state_ == State::stopping || state_ == State::stopped) break;
      log_.warning(106, "SIGQUIT: stopping at once; what was running is cut off");
      stop(kForced);
      break;
    default:
      log_.warning(107, signal_name(signal) +
                            " has no meaning yet and changes nothing; to load new code or "
                            "settings, stop with SIGTERM and start again");
  }
}

void Supervisor::on_stop_signal(const std::string& name) {
  const Milliseconds now_ms = monotonic_ms();
  switch (state_) {
    case State::booting:
      log_.info(name + " while starting: stopping");
      stop(kClean);
      break;
    case State::serving:
      first_signal_ms_ = now_ms;
      drain(name);
      break;
    case State::draining:
      if (now_ms - first_signal_ms_ < kRepeatSignalMs)
        break;  // the same one, sent to us and to the whole group
      log_.warning(106,
                   "a second signal (" + name + "): stopping at once; what was running is cut off");
      stop(kForced);
      break;
    case State::stopping:
    case State::stopped:
      break;
  }
}

void Supervisor::drain(const std::string& name) {
  log_.info(name + ": finishing what runs; a second signal stops at once",
            {{"grace_ms", plan_.grace_ms}});
  let_go(plan_.listen_fds);
  enter(State::draining);
  generation_.drain(plan_.grace_ms);
}

void Supervisor::stop(ExitCode code) {
  exit_code_ = code;
  enter(State::stopping);
  generation_.stop();
}

// Follows what the generation has become.
void Supervisor::advance() {
  if (state_ == State::booting && generation_.has_failed()) stop(kFailed);
  if (state_ == State::booting && generation_.is_ready()) {
    generation_.serve();
    enter(State::serving);
    const std::string where =
        plan_.addresses.empty() ? "ready" : "listening on " + joined(plan_.addresses);
    log_.info(where, {{"pid", getpid()}, {"boot_ms", monotonic_ms() - started_ms_}});
  }
  if (generation_.state() != GenerationState::over || state_ == State::stopped) return;
  if (state_ == State::draining && generation_.was_forced()) exit_code_ = kForced;
  enter(State::stopped);
  if (exit_code_ != kFailed) log_.info("stopped", {{"exit_code", static_cast<int>(exit_code_)}});
}

// Children that are not of our making: those of a shell that became us by exec, and as process 1 of
// a container everybody's orphans. They are buried and mean nothing.
void Supervisor::reap_strangers() {
  while (has_strangers_) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
      has_strangers_ = false;
    } else if (generation_.owns(info.si_pid)) {
      return;  // the next step() reaps it, then we look again
    } else {
      waitpid(info.si_pid, nullptr, WNOHANG);
    }
  }
}

void Supervisor::enter(State next) {
  CORRAL_CHECK(next > state_, "the supervisor only goes forward");
  state_ = next;
}

}  // namespace

int run(const Plan& plan, Log& log) {
  const std::string fault = fault_of(plan);
  if (!fault.empty()) {
    log.error(101, "failed to start: " + fault);
    return kFailed;
  }
  auto signals = Signals::open();
  if (!signals) {
    log.error(101, "failed to start: " + signals.error().message);
    return kFailed;
  }
  auto scoreboard = make_scoreboard(plan);
  if (!scoreboard) {
    log.error(101, "failed to start: " + scoreboard.error().message);
    return kFailed;
  }
  return Supervisor(plan, *scoreboard, log, *signals).run();
}

}  // namespace corral::supervisor
