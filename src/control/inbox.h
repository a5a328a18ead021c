// Passing an open descriptor to another process of the node, with a short note, over a pair of
// sockets that keep packets apart. Neither call waits. Any process that holds the ends may call
// them: a packet is received once.
#pragma once

#include <cstddef>
#include <span>

#include "base/fd.h"

namespace corral::control {

// False, and nothing has happened, when the inbox is full. The caller still has its own `fd`.
bool pass_descriptor(int inbox_write_fd, int fd, std::span<const std::byte> note);

enum class Receipt {
  received,
  empty,
  lost,  // the packet came without its descriptor: this process may have no more of them
};

// `note` must have the size of the one that was sent. `fd` is close-on-exec.
Receipt receive_descriptor(int inbox_read_fd, Fd& fd, std::span<std::byte> note);

}  // namespace corral::control
