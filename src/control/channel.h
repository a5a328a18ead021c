// Messages between the supervisor and its children (engine, worker processes): one AF_UNIX
// SOCK_SEQPACKET pair per child.
//
// A message is a kind and a text. The parent's end closes when the parent dies and the other way
// round; both read that as Kind::closed. Sending never blocks for long: the kernel queues a few
// hundred messages and both sides always read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace corral::control {

enum class Kind : std::uint8_t {
  closed = 0,  // never sent: the other side is gone
  // parent to child
  config = 1,  // text: the child's configuration (JSON), always the first message
  serve = 2,   // every process of the generation is ready: begin accepting
  drain = 3,   // text: milliseconds of grace; finish what runs, then exit 0
  stop = 4,    // exit at once, 3
  place = 5,   // text: the scoreboard's descriptor and the child's slot; follows `config`
  // child to parent
  ready = 16,   // text: empty, or a note worth logging
  failed = 17,  // text: the one line a person needs; the child exits 1 after it
};

struct Message {
  Kind kind = Kind::closed;
  std::string text;
};

class Channel {
 public:
  Channel() = default;
  explicit Channel(Fd fd) : fd_(std::move(fd)) {}

  // Parent's end (close-on-exec) and the child's end, to be inherited.
  static Result<std::pair<Channel, Fd>> make_pair();

  bool send(Kind kind, std::string_view text = {});
  // Waits up to `wait_ms` (-1: for ever); nothing when none came in time.
  std::optional<Message> receive(Milliseconds wait_ms);

  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }

 private:
  Fd fd_;
};

// Longest text of one message; a longer one is cut (config is checked by the sender instead).
constexpr std::size_t kMessageBytesMax = 128 * 1024;

}  // namespace corral::control
