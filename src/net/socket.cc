#include "net/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace corral::net {
namespace {

Address to_address(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return {text, ntohs(v4.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    // A dual-stack socket shows IPv4 peers as ::ffff:1.2.3.4; applications expect the IPv4 form.
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, sizeof text);
    } else {
      inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    }
    return {text, ntohs(v6.sin6_port)};
  }
  return {};
}

}  // namespace

Address local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return to_address(storage);
}

Address peer_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return to_address(storage);
}

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

AcceptStatus accept_one(int listen_fd, Accepted& accepted) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  const int fd = accept4(listen_fd, reinterpret_cast<sockaddr*>(&storage), &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    switch (errno) {
      case EAGAIN:
        return AcceptStatus::empty;
      case EBADF:
      case EINVAL:
        return AcceptStatus::empty;  // the listener was closed
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        return AcceptStatus::exhausted;
      default:
        return AcceptStatus::failed;
    }
  }
  accepted.fd = Fd(fd);
  accepted.peer = to_address(storage);
  if (storage.ss_family != AF_UNIX) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return AcceptStatus::accepted;
}

bool has_waiting(int listen_fd) {
  pollfd looked_at{listen_fd, POLLIN, 0};
  return ::poll(&looked_at, 1, 0) > 0 && (looked_at.revents & POLLIN) != 0;
}

ssize_t read_some(int fd, char* buffer, std::size_t size) {
  for (;;) {
    const ssize_t count = ::read(fd, buffer, size);
    if (count >= 0 || errno != EINTR) return count;
  }
}

ssize_t read_some(int fd, std::span<const iovec> parts) {
  for (;;) {
    const ssize_t count = ::readv(fd, parts.data(), static_cast<int>(parts.size()));
    if (count >= 0 || errno != EINTR) return count;
  }
}

ssize_t write_some(int fd, std::span<const iovec> parts, Push push) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = std::min<std::size_t>(parts.size(), IOV_MAX);
  for (;;) {
    // A peer that is gone is an error to handle, not a signal.
    const int flags = MSG_NOSIGNAL | (push == Push::later ? MSG_MORE : 0);
    const ssize_t count = parts.size() == 1 ? ::send(fd, parts[0].iov_base, parts[0].iov_len, flags)
                                            : ::sendmsg(fd, &message, flags);
    if (count >= 0 || errno != EINTR) return count;
  }
}

bool wait_writable(int fd, Milliseconds wait_ms) {
  const Milliseconds until = monotonic_ms() + wait_ms;
  pollfd waited{fd, POLLOUT, 0};
  for (;;) {
    const Milliseconds left = until - monotonic_ms();
    if (left <= 0) return false;
    const int count = ::poll(&waited, 1, static_cast<int>(std::min<Milliseconds>(left, INT_MAX)));
    if (count > 0) return (waited.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
    if (count < 0 && errno != EINTR) return false;
  }
}

bool is_readable(int fd) {
  pollfd asked{fd, POLLIN, 0};
  return ::poll(&asked, 1, 0) > 0 && (asked.revents & POLLIN) != 0;
}

}  // namespace corral::net
