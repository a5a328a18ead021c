// What the supervisor is told to keep running. It comes from the command line through
// ext/core_module.cc; the supervisor itself knows neither Python nor what the processes do.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"

namespace corral::supervisor {

// One kind of child of a generation. Spawned `count` times by exec.
struct ProcessSpec {
  std::string name;               // in logs: "engine", "web"; "web.1" when count > 1
  std::vector<std::string> argv;  // argv[0] is the path executed; the control fd is appended
  std::string config;             // Kind::config's text
  int count = 1;
};

struct Plan {
  std::vector<ProcessSpec> processes;
  std::vector<int> listen_fds;        // owned by the caller; each child inherits the same numbers
  int wake_fd = -1;                   // eventfd that wakes this node's keeper; inherited; -1: none
  int access_fd = -1;                 // the access log the children write; inherited; -1: none
  Milliseconds grace_ms = 10'000;     // from the first signal to the forced end
  Milliseconds boot_max_ms = 60'000;  // a child that is not READY by then counts as failed
  Milliseconds backoff_max_ms = 10'000;  // pauses between restarts: 0, 100 ms, doubling up to this
  std::vector<std::string> addresses;    // for the "listening on" line
  std::string few_descriptors;           // the warning that connections do not fit; empty: they do
};

}  // namespace corral::supervisor
