#include "http/outbox.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/temporary_file.h"
#include "net/socket.h"

namespace corral::http {
namespace {

// The file part of what the kernel is asked to send at once.
constexpr std::size_t kSendfileBytes = 1024 * 1024;

std::string_view view(const iovec& part) {
  return {static_cast<const char*>(part.iov_base), part.iov_len};
}

}  // namespace

ssize_t Outbox::send_now(int socket, std::span<const iovec> parts, Behind behind) {
  if (file_.size > 0) {
    const Flush flushed = flush(socket, kSendfileBytes);
    if (flushed != Flush::done) return flushed == Flush::failed ? -1 : 0;
  }
  std::array<iovec, kPartsMax + 1> all;
  CORRAL_CHECK(parts.size() <= kPartsMax, "more parts than one write may have");
  const std::size_t own = bytes_.size() - offset_;
  std::size_t used = 0, bytes = own;
  if (own > 0) all[used++] = {const_cast<char*>(bytes_.data()) + offset_, own};
  for (const iovec& part : parts) {
    all[used++] = part;
    bytes += part.iov_len;
  }
  const auto push = behind == Behind::file ? net::Push::later : net::Push::now;
  const ssize_t count = net::write_some(socket, {all.data(), used}, push);
  if (count < 0 && errno != EAGAIN) return -1;
  const std::size_t taken = count < 0 ? 0 : static_cast<std::size_t>(count);
  is_blocked_ = taken < bytes;
  taken_bytes_ += taken;
  if (taken < own) {
    forget(taken);
    return 0;
  }
  if (own > 0) clear();
  return static_cast<ssize_t>(taken - own);
}

bool Outbox::try_keep(std::span<const iovec> parts, std::size_t bytes, const Room& room) {
  if (is_spill_) return spill(parts, bytes, room);
  CORRAL_CHECK(file_.size == 0, "nothing can be kept behind an application's file");
  const std::size_t size = bytes_.size() - offset_ + bytes;
  if (size > kAlwaysKeptBytes) {
    if (size > room.bytes_max) return false;
    if (!share_.try_grow(room.budget, size)) return spill(parts, bytes, room);
  }
  if (!try_make_room(bytes, room)) return spill(parts, bytes, room);
  for (const iovec& part : parts) bytes_.append(view(part));
  return true;
}

bool Outbox::try_make_room(std::size_t bytes, const Room& room) {
  if (bytes <= bytes_.room().size()) return true;
  bytes_.drop_front(std::exchange(offset_, 0));
  if (bytes <= bytes_.room().size()) return true;
  // Twice as much each time, for a stream comes in many parts.
  return bytes_.try_reserve(std::max(bytes_.size() + bytes, 2 * bytes_.capacity()), room.blocks);
}

// Into a temporary file, from now on until everything is sent.
bool Outbox::spill(std::span<const iovec> parts, std::size_t bytes, const Room& room) {
  const std::uint64_t written = file_.offset + file_.size;
  // It is not cut at its beginning, so that a response without an end would grow it without one.
  if (written + bytes > 2 * std::uint64_t{room.bytes_max}) return false;
  if (bytes_.size() - offset_ + file_.size + bytes > room.bytes_max) return false;
  if (!file_share_.try_grow(room.files_budget, written + bytes)) return false;
  if (!write_spill(parts, room.folder)) {
    if (!is_spill_) file_share_.reset();
    return false;
  }
  is_spill_ = true;
  file_.size += bytes;
  return true;
}

// The disk may be full: then it is as if nothing had been written.
bool Outbox::write_spill(std::span<const iovec> parts, const std::string& folder) {
  Fd made;
  if (!is_spill_ && !(made = open_unlinked_file(folder))) return false;
  const int fd = is_spill_ ? file_.fd.get() : made.get();
  for (const iovec& part : parts) {
    if (write_all(fd, view(part))) continue;
    ::lseek(fd, static_cast<off_t>(file_.offset + file_.size), SEEK_SET);
    return false;
  }
  if (!is_spill_) file_.fd = std::move(made);
  return true;
}

void Outbox::keep_file(FilePart file) {
  CORRAL_CHECK(file_.size == 0 && !is_spill_, "one file at a time");
  if (file.size == 0) return;
  file_ = std::move(file);
  is_blocked_ = false;
}

Outbox::Flush Outbox::flush(int socket, std::size_t bytes_max) {
  std::size_t room = bytes_max;
  Flush flushed = flush_bytes(socket, room);
  if (flushed == Flush::done) flushed = flush_file(socket, room);
  is_blocked_ = flushed == Flush::blocked;
  if (flushed == Flush::done || flushed == Flush::file_cut) clear();
  return flushed;
}

Outbox::Flush Outbox::flush_bytes(int socket, std::size_t& room) {
  const auto push = file_.size > 0 ? net::Push::later : net::Push::now;
  while (offset_ < bytes_.size()) {
    if (room == 0) return Flush::more;
    const iovec part{const_cast<char*>(bytes_.data()) + offset_,
                     std::min(room, bytes_.size() - offset_)};
    const ssize_t count = net::write_some(socket, {&part, 1}, push);
    if (count < 0) {
      return errno == EAGAIN ? Flush::blocked : Flush::failed;
    }
    forget(static_cast<std::size_t>(count));
    taken_bytes_ += static_cast<std::size_t>(count);
    room -= static_cast<std::size_t>(count);
  }
  return Flush::done;
}

Outbox::Flush Outbox::flush_file(int socket, std::size_t& room) {
  while (file_.size > 0) {
    if (room == 0) return Flush::more;
    auto offset = static_cast<off_t>(file_.offset);
    const std::size_t wanted =
        std::min({file_.size, std::uint64_t{room}, std::uint64_t{kSendfileBytes}});
    const ssize_t count = ::sendfile(socket, file_.fd.get(), &offset, wanted);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN ? Flush::blocked : Flush::failed;
    if (count == 0) return Flush::file_cut;
    file_.offset += static_cast<std::uint64_t>(count);
    file_.size -= static_cast<std::uint64_t>(count);
    taken_bytes_ += static_cast<std::uint64_t>(count);
    room -= static_cast<std::size_t>(count);
  }
  return Flush::done;
}

void Outbox::forget(std::size_t count) {
  offset_ += count;
  // Not each time: a large response would be moved over and over.
  if (offset_ <= bytes_.size() / 2) return;
  bytes_.drop_front(std::exchange(offset_, 0));
}

void Outbox::clear() {
  bytes_.reset();
  offset_ = 0;
  share_.reset();
  file_ = {};
  file_share_.reset();
  is_spill_ = false;
}

}  // namespace corral::http
