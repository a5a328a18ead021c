#include "supervisor/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/thread.h"

namespace corral::supervisor {

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

Result<Signals> Signals::open() {
  sigset_t set, mask_before;
  sigemptyset(&set);
  for (int signal : kSteeringSignals) sigaddset(&set, signal);
  sigaddset(&set, SIGCHLD);
  Fd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return Error{std::string("no signal descriptor: ") + std::strerror(errno)};
  pthread_sigmask(SIG_BLOCK, &set, &mask_before);
  // A shell that ignores SIGCHLD passes that on, and then the kernel would throw exit codes away.
  struct sigaction child{}, child_before{};
  child.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &child, &child_before);
  return Signals(std::move(fd), mask_before, child_before);
}

Signals::~Signals() {
  if (!fd_) return;
  take();
  sigaction(SIGCHLD, &child_before_, nullptr);
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

std::vector<int> Signals::take() {
  std::vector<int> signals;
  signalfd_siginfo info;
  while (read(fd_.get(), &info, sizeof info) == sizeof info) {
    signals.push_back(static_cast<int>(info.ssi_signo));
  }
  return signals;
}

}  // namespace corral::supervisor
