// The signals of the supervisor as a descriptor. While a Signals lives, its thread takes none of
// the steering signals, nor SIGCHLD, as an interruption; they wait here to be read. Make it before
// any thread that could take them instead.
#pragma once

#include <signal.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace corral::supervisor {

// "SIGTERM"; "signal 64" for those without a name.
std::string signal_name(int signal);

class Signals {
 public:
  static Result<Signals> open();
  Signals(Signals&&) = default;
  // Forgets what arrived and was not read, then gives the thread its former mask and SIGCHLD its
  // former handler back.
  ~Signals();

  int fd() const { return fd_.get(); }
  // What arrived since the last call, in the kernel's order; never waits.
  std::vector<int> take();

 private:
  Signals(Fd fd, const sigset_t& mask_before, const struct sigaction& child_before)
      : fd_(std::move(fd)), mask_before_(mask_before), child_before_(child_before) {}

  Fd fd_;
  sigset_t mask_before_;
  struct sigaction child_before_;
};

}  // namespace corral::supervisor
