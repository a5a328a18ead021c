#include "control/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace corral::control {
namespace {

// The largest message plus what the kernel charges for keeping it, several times over. The kernel
// cuts this to net.core.wmem_max, whose usual value holds one of the largest.
constexpr int kSendBufferBytes = 4 * static_cast<int>(kMessageBytesMax);
// A reader that has not made room by then is stuck; the sender must not get stuck with it.
constexpr Milliseconds kSendPatienceMs = 1'000;

enum class Ready { yes, no };

// Waits for `events`; -1: for ever. Errors of the socket count as ready: the call that follows will
// tell.
Ready wait_until(int fd, short events, Milliseconds wait_ms) {
  const Milliseconds until_ms = monotonic_ms() + wait_ms;
  for (;;) {
    const Milliseconds left_ms =
        wait_ms < 0 ? -1 : std::max<Milliseconds>(until_ms - monotonic_ms(), 0);
    pollfd ready{fd, events, 0};
    const int count = poll(&ready, 1, static_cast<int>(std::min<Milliseconds>(left_ms, 1'000'000)));
    if (count > 0 || (count < 0 && errno != EINTR)) return Ready::yes;
    if (left_ms == 0) return Ready::no;
  }
}

}  // namespace

Result<std::pair<Channel, Fd>> Channel::make_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Error{std::string("no control channel for a child process: ") + std::strerror(errno)};
  }
  for (int end : ends) {
    setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
  }
  return std::pair<Channel, Fd>{Channel(Fd(ends[0])), Fd(ends[1])};
}

bool Channel::send(Kind kind, std::string_view text) {
  text = text.substr(0, kMessageBytesMax);
  iovec parts[] = {{&kind, sizeof kind}, {const_cast<char*>(text.data()), text.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  for (;;) {
    if (sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
    if (errno == EINTR) continue;
    if (errno != EAGAIN || wait_until(fd_.get(), POLLOUT, kSendPatienceMs) == Ready::no)
      return false;
  }
}

std::optional<Message> Channel::receive(Milliseconds wait_ms) {
  const Milliseconds until_ms = monotonic_ms() + wait_ms;
  std::vector<char> bytes(1 + kMessageBytesMax);
  for (;;) {
    const ssize_t count = recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count > 0) {
      return Message{static_cast<Kind>(bytes[0]),
                     std::string(bytes.data() + 1, static_cast<std::size_t>(count) - 1)};
    }
    // ECONNRESET says once that the other side left without reading all of ours; its own last
    // messages are still here.
    if (count < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
    if (count == 0 || errno != EAGAIN) return Message{};
    const Milliseconds left_ms =
        wait_ms < 0 ? -1 : std::max<Milliseconds>(until_ms - monotonic_ms(), 0);
    if (wait_until(fd_.get(), POLLIN, left_ms) == Ready::no) return std::nullopt;
  }
}

}  // namespace corral::control
