#include "control/inbox.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace corral::control {
namespace {

union Ancillary {
  cmsghdr aligned;
  char bytes[CMSG_SPACE(sizeof(int))];
};

}  // namespace

bool pass_descriptor(int inbox_write_fd, int fd, std::span<const std::byte> note) {
  iovec part{const_cast<std::byte*>(note.data()), note.size()};
  Ancillary ancillary{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.bytes;
  message.msg_controllen = sizeof ancillary.bytes;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  for (;;) {
    if (sendmsg(inbox_write_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

Receipt receive_descriptor(int inbox_read_fd, Fd& fd, std::span<std::byte> note) {
  iovec part{note.data(), note.size()};
  Ancillary ancillary{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.bytes;
  message.msg_controllen = sizeof ancillary.bytes;
  ssize_t count;
  do {
    count = recvmsg(inbox_read_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  if (count <= 0) return Receipt::empty;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  const bool has_descriptor = header != nullptr && header->cmsg_level == SOL_SOCKET &&
                              header->cmsg_type == SCM_RIGHTS &&
                              header->cmsg_len == CMSG_LEN(sizeof(int));
  if (!has_descriptor) return Receipt::lost;
  int number = -1;
  std::memcpy(&number, CMSG_DATA(header), sizeof number);
  fd.reset(number);
  return static_cast<std::size_t>(count) == note.size() ? Receipt::received : Receipt::lost;
}

}  // namespace corral::control
