// The parent process: spawns a generation, watches it, restarts what dies, and stops it on a
// signal.
//
// Runs on the process's first thread with no interpreter attached, holds no locks that a child
// could hold, and reads only its own descriptors: signalfd, control channels, pidfds. Nothing below
// can hang it.
//
//   booting --all READY--> serving --SIGTERM/SIGINT--> draining --all exited--> stopped
//      |                     |  ^                         |
//      | FAILED or dead      |  | READY again             | grace over or a second signal
//      v                     v  |                         v
//   stopped(1)             restarting (pauses grow)     stopped(3)
//
// SIGINT and SIGTERM drain; a second one, at least kRepeatSignalMs after the first, stops at once
// (the copy that a terminal or service manager sends to the whole group counts once); SIGQUIT stops
// at once. Before serving, either signal just stops. The other steering signals are answered with a
// warning. Exit codes: 0 clean, 1 failed to start, 3 forced.
#pragma once

#include "base/log.h"
#include "supervisor/plan.h"

namespace corral::supervisor {

constexpr Milliseconds kRepeatSignalMs = 150;

// Runs until stopped; returns the exit code. No child is alive then. plan.listen_fds keep their
// numbers, but once draining has begun they lead to /dev/null.
int run(const Plan& plan, Log& log);

}  // namespace corral::supervisor
