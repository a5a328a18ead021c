// What a connection still has to send: bytes, and behind them perhaps a part of a file.
//
// Bytes that a client does not take are kept in memory while all such bytes of the server are
// within a budget, else in an unlinked temporary file. The application's own file is kept as a
// descriptor. Nothing here waits. Belongs to the connection's holder.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/block_cache.h"
#include "base/budget.h"
#include "base/buffer.h"
#include "base/fd.h"

namespace corral::http {

// `size` bytes of an open file from `offset` on; its position does not matter.
struct FilePart {
  Fd fd;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

inline iovec to_iovec(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

class Outbox {
 public:
  // So much is always kept, budget or not: a head, an error, the end of a body. Whoever sends only
  // that, as the poller does, is never told to wait.
  static constexpr std::size_t kAlwaysKeptBytes = 16 * 1024;
  // Of one send: a head, what an application gives at once, and the framing around it.
  static constexpr std::size_t kPartsMax = 68;

  // Where and how much may be kept.
  struct Room {
    std::size_t bytes_max;
    const std::shared_ptr<Budget>& budget;
    const std::shared_ptr<BlockCache>& blocks;
    const std::shared_ptr<Budget>& files_budget;
    const std::string& folder;
  };

  bool empty() const { return offset_ == bytes_.size() && file_.size == 0; }
  std::uint64_t size() const { return bytes_.size() - offset_ + file_.size; }
  // Whether the socket has said that it takes no more: an event will tell when it does.
  bool is_blocked() const { return is_blocked_; }
  // By the socket, ever.
  std::uint64_t taken_bytes() const { return taken_bytes_; }

  // Sends what is there and `parts` behind it, as far as the socket takes it: the bytes of `parts`
  // that it took, or -1 with errno when the client is gone. What is left of `parts` is the caller's
  // to keep. `file` tells that a file follows, so that a short rest may wait for its first bytes.
  enum class Behind { nothing, file };
  ssize_t send_now(int socket, std::span<const iovec> parts, Behind behind = Behind::nothing);

  // Keeps `parts`, of `bytes` altogether, behind what is there. False, and nothing kept, when
  // there is no room.
  bool try_keep(std::span<const iovec> parts, std::size_t bytes, const Room& room);
  // Nothing may be kept behind it until all has been sent.
  void keep_file(FilePart file);

  enum class Flush {
    done,
    blocked,   // the socket takes no more now
    more,      // bytes_max were sent, and it takes more
    failed,    // the client is gone
    file_cut,  // the file is shorter than it was
  };
  Flush flush(int socket, std::size_t bytes_max);

 private:
  Flush flush_bytes(int socket, std::size_t& room);
  Flush flush_file(int socket, std::size_t& room);
  bool try_make_room(std::size_t bytes, const Room& room);
  bool spill(std::span<const iovec> parts, std::size_t bytes, const Room& room);
  bool write_spill(std::span<const iovec> parts, const std::string& folder);
  void forget(std::size_t count);
  void clear();

  Buffer bytes_;
  std::size_t offset_ = 0;    // of what is unsent of bytes_
  Budget::Share share_;       // for bytes_
  Budget::Share file_share_;  // for a file_ that is ours
  FilePart file_;
  bool is_spill_ = false;  // file_ is ours: more can be appended
  bool is_blocked_ = false;
  std::uint64_t taken_bytes_ = 0;
};

}  // namespace corral::http
