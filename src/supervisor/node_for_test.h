// Tests only: a supervisor in a process of its own, with its log and the events of its scripted
// children to wait for.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "supervisor/plan.h"
#include "supervisor/supervisor.h"

namespace corral::supervisor {

// Far beyond what a working program needs on a busy machine; a wait that takes it has failed.
constexpr Milliseconds kTooLongMs = 20'000;

// The lines that come out of a pipe, kept for looking at again.
class Lines {
 public:
  explicit Lines(int fd = -1) : fd_(fd) {}

  // The first line from `from` on that contains `part`; its index, or -1 after kTooLongMs or at the
  // end of the pipe.
  int wait_for(std::string_view part, int from = 0) {
    const Milliseconds until_ms = monotonic_ms() + kTooLongMs;
    for (int i = from;; ++i) {
      while (i >= static_cast<int>(lines_.size())) {
        if (!read_more(until_ms)) return -1;
      }
      if (lines_[i].find(part) != std::string::npos) return i;
    }
  }

  bool wait_for_end() {
    const Milliseconds until_ms = monotonic_ms() + kTooLongMs;
    while (read_more(until_ms)) {
    }
    return is_ended_;
  }

  // Without waiting for more than `wait_ms`.
  void catch_up(Milliseconds wait_ms) {
    const Milliseconds until_ms = monotonic_ms() + wait_ms;
    while (read_more(until_ms)) {
    }
  }

  int count(std::string_view part) const {
    int count = 0;
    for (const std::string& line : lines_) count += line.find(part) != std::string::npos;
    return count;
  }

  const std::string& operator[](int index) const { return lines_[index]; }

  std::string all() const {
    std::string text;
    for (const std::string& line : lines_) text += line + "\n";
    return text;
  }

 private:
  bool read_more(Milliseconds until_ms) {
    const Milliseconds left_ms = std::max<Milliseconds>(until_ms - monotonic_ms(), 0);
    pollfd ready{fd_, POLLIN, 0};
    if (is_ended_ || poll(&ready, 1, static_cast<int>(left_ms)) <= 0) return false;
    std::array<char, 65536> part;
    const ssize_t count = read(fd_, part.data(), part.size());
    if (count <= 0) is_ended_ = true;
    for (ssize_t i = 0; i < count; ++i) {
      if (part[i] != '\n') {
        rest_ += part[i];
      } else {
        lines_.push_back(std::exchange(rest_, ""));
      }
    }
    return count > 0;
  }

  int fd_;
  bool is_ended_ = false;
  std::string rest_;
  std::vector<std::string> lines_;
};

class Node {
 public:
  Node() {
    EXPECT_EQ(pipe2(log_pipe_, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(events_pipe_, O_CLOEXEC), 0);
    log = Lines(log_pipe_[0]);
    events = Lines(events_pipe_[0]);
    plan.wake_fd = events_pipe_[1];
    plan.addresses = {"http://127.0.0.1:8000", "unix:/run/x.sock"};
  }

  ~Node() {
    if (pid_ > 0) {
      ::kill(-pid_, SIGKILL);  // and children that a failed test left behind
      waitpid(pid_, nullptr, 0);
    }
    for (int fd : {log_pipe_[0], log_pipe_[1], events_pipe_[0], events_pipe_[1]}) {
      if (fd >= 0) close(fd);
    }
  }

  void add(const std::string& name, const std::string& script, int count = 1) {
    ProcessSpec spec;
    spec.name = name;
    spec.argv = {"/proc/self/exe", "--child", "--control-fd"};
    spec.config = "events=" + std::to_string(plan.wake_fd) + " " + script;
    spec.count = count;
    plan.processes.push_back(spec);
  }

  // `before` runs in the new process, before the supervisor.
  void start(const std::function<void()>& before = [] {}) {
    const pid_t parent = getpid();
    pid_ = fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(93);
      setpgid(0, 0);
      before();
      _exit(supervise());
    }
    setpgid(pid_, pid_);
    for (int* fd : {&log_pipe_[1], &events_pipe_[1]}) close(std::exchange(*fd, -1));
  }

  void signal(int number) { ASSERT_EQ(::kill(pid_, number), 0); }
  void signal_group(int number) { ASSERT_EQ(::kill(-pid_, number), 0); }
  pid_t pid() const { return pid_; }

  // The exit code. Its end is also the end of every child: the last one closes the events' pipe.
  int wait_exit() {
    if (!log.wait_for_end()) {
      ADD_FAILURE() << "the supervisor does not end\n" << log.all();
      return -1;
    }
    EXPECT_TRUE(events.wait_for_end()) << "a child is still alive\n" << events.all();
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    EXPECT_TRUE(WIFEXITED(status)) << "the supervisor died by signal " << WTERMSIG(status);
    return WEXITSTATUS(status);
  }

  // The process that reported `what`, from event `from` on; kills the test when nobody did.
  pid_t wait_event(std::string_view what, int from = 0) {
    const int index = events.wait_for(what, from);
    EXPECT_GE(index, 0) << "no event " << what << "\n" << events.all() << log.all();
    return index < 0 ? -1 : std::atoi(events[index].c_str());
  }

  Plan plan;
  Lines log;
  Lines events;

 private:
  int supervise() {
    Log::Options options;
    options.format = LogFormat::json;
    options.program = "supervisor";
    options.fd = log_pipe_[1];
    Log node_log(options);
    return run(plan, node_log);
  }

  int log_pipe_[2] = {-1, -1};
  int events_pipe_[2] = {-1, -1};
  pid_t pid_ = -1;
};

}  // namespace corral::supervisor
