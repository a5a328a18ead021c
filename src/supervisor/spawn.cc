#include "supervisor/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/thread.h"

namespace corral::supervisor {
namespace {

constexpr int kExecFailed = 127;  // as shells have it

// What the child reports through the pipe when it cannot become the program; an empty pipe means
// that it has.
struct Complaint {
  int error = 0;
  int fd = -1;  // the descriptor that could not be handed on; -1: exec itself
};

// From here to exec: async-signal-safe calls only. Other threads of the parent may have held any
// lock at the fork.
void reset_signals() {
  struct sigaction action{};
  for (int signal = 1; signal < NSIG; ++signal) {
    const bool is_steering = std::find(std::begin(kSteeringSignals), std::end(kSteeringSignals),
                                       signal) != std::end(kSteeringSignals);
    action.sa_handler = is_steering ? SIG_IGN : SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void complain(int report_fd, Complaint complaint) {
  if (write(report_fd, &complaint, sizeof complaint) < 0) _exit(kExecFailed);
  _exit(kExecFailed);
}

[[noreturn]] void become(char* const argv[], std::span<const int> fds, pid_t parent,
                         int report_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kExecFailed);  // it ended before the line above
  reset_signals();
  // Descriptors of Python are close-on-exec anyway; this is for libraries that forgot it.
  syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  for (int fd : fds) {
    if (fcntl(fd, F_SETFD, 0) != 0) complain(report_fd, {errno, fd});
  }
  execv(argv[0], argv);
  complain(report_fd, {errno, -1});
}
// Ordinary code again.

// The child's complaint; an error of 0 when it became the program (the pipe closes with exec).
Complaint read_complaint(int fd) {
  Complaint complaint;
  ssize_t count;
  do {
    count = read(fd, &complaint, sizeof complaint);
  } while (count < 0 && errno == EINTR);
  return count == sizeof complaint ? complaint : Complaint{};
}

void reap(pid_t pid) {
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Error describe(const Complaint& complaint, const std::string& path) {
  const std::string reason = std::strerror(complaint.error);
  if (complaint.fd < 0) return Error{"cannot execute " + path + ": " + reason};
  return Error{"cannot hand descriptor " + std::to_string(complaint.fd) + " to " + path + ": " +
               reason};
}

}  // namespace

Result<Process> spawn(const std::vector<std::string>& argv, const std::vector<int>& inherited_fds) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return Error{std::string("no pipe for a new process: ") + std::strerror(errno)};
  Fd report_read(ends[0]), report_write(ends[1]);

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return Error{std::string("no new process: ") + std::strerror(errno)};
  if (pid == 0) become(arguments.data(), inherited_fds, parent, report_write.get());

  report_write.reset();
  const Complaint complaint = read_complaint(report_read.get());
  if (complaint.error != 0) {
    reap(pid);
    return describe(complaint, argv[0]);
  }
  Fd handle(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!handle) {
    const Error error{std::string("no handle of a new process (pidfd_open needs Linux 5.3): ") +
                      std::strerror(errno)};
    kill(pid, SIGKILL);
    reap(pid);
    return error;
  }
  return Process{pid, std::move(handle)};
}

}  // namespace corral::supervisor
