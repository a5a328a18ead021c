// Which process is which: what proves that a node's process is gone. The twin of
// python/corral/tasks/machine.py; both write and read the same columns of corral_node.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace corral::tasks {

// This boot of this kernel and this process namespace; empty where the system does not tell.
std::string machine();

// When the process started, in the kernel's ticks since boot; nothing for a zombie, and where the
// kernel does not say.
std::optional<std::int64_t> process_started(std::int64_t pid);

// A process as a node's row describes it.
struct ProcessMark {
  std::string machine;
  std::int64_t pid = 0;
  std::optional<std::int64_t> started;
};

// True when the process is certainly over; else not known.
bool is_provably_gone(const ProcessMark& process);

}  // namespace corral::tasks
