// A new process by fork and exec. The child gets descriptors 0, 1, 2 and those named here under the
// same numbers, and no others; no blocked signals; the steering signals ignored until it has taken
// care of them itself (a Ctrl-C reaches every process of the terminal's group, also one that has
// just been started); and it is killed should the calling thread end before it (the last line of
// defence: children leave by themselves when their control channel closes).
//
// Called from a process whose first thread is a Python's: between fork and exec only
// async-signal-safe calls happen.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace corral::supervisor {

struct Process {
  pid_t pid = -1;
  Fd handle;  // pidfd: readable once the process has ended
};

// `argv[0]` is the path executed. Returns when exec has succeeded, or why it has not.
Result<Process> spawn(const std::vector<std::string>& argv, const std::vector<int>& inherited_fds);

}  // namespace corral::supervisor
