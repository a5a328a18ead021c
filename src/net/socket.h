// What the server asks of sockets: accepting, addresses, and system calls that survive EINTR.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/fd.h"

namespace corral::net {

// "127.0.0.1" and 8000; "" and 0 for unix sockets.
struct Address {
  std::string host;
  std::uint16_t port = 0;
};

Address local_address(int fd);
Address peer_address(int fd);
void set_nonblocking(int fd);

struct Accepted {
  Fd fd;  // non-blocking, close-on-exec, without Nagle's delay
  Address peer;
};

enum class AcceptStatus {
  accepted,
  empty,      // nobody waits
  exhausted,  // no descriptor or memory for another connection: pause, do not spin
  failed,     // this one connection is gone; go on
};

AcceptStatus accept_one(int listen_fd, Accepted& accepted);
// Whether somebody waits to be accepted. accept_one() cannot tell while it is `exhausted`.
bool has_waiting(int listen_fd);

// Like read/writev, repeated on EINTR. -1 with errno otherwise.
ssize_t read_some(int fd, char* buffer, std::size_t size);
ssize_t read_some(int fd, std::span<const iovec> parts);
// Push::later lets a short rest wait in the kernel for what will be written next.
enum class Push { now, later };
ssize_t write_some(int fd, std::span<const iovec> parts, Push push = Push::now);

// Waits until the socket takes bytes again; false after `wait_ms` or when the peer is gone.
bool wait_writable(int fd, Milliseconds wait_ms);
// Whether something can be read from it, or accepted, now.
bool is_readable(int fd);

}  // namespace corral::net
