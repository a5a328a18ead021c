// What others than the holder send: the poller, while a worker makes the next part of a response,
// and the standby, what is held back for the next response.
#include <array>

#include "http/connection.h"
#include "http/response.h"
#include "http/server.h"

namespace corral::http {

// --- what the poller sends

// The worker goes on to make the next part, and bytes are left. An event that came before the
// poller could see that has left its mark.
void Connection::share_outbox() {
  shared_.store(true);
  if (token_.load() & kMarked) flush_shared_outbox();
}

void Connection::unshare_outbox() {
  if (!shared_.load(std::memory_order_relaxed)) return;
  if (std::exchange(is_held_back_, false)) server_.held_back().remove(*this);
  std::lock_guard lock(shared_mutex_);
  shared_.store(false, std::memory_order_relaxed);
}

// What fails here fails again for the worker.
void Connection::flush_shared_outbox() {
  std::lock_guard lock(shared_mutex_);
  if (shared_.load(std::memory_order_relaxed)) outbox_.flush(fd_.get(), SIZE_MAX);
}

// --- what is held back for the next response

// The last response of a burst takes all along, so the socket is asked once. The client is given
// nothing later than it can use it, or by a millisecond or two: the standby looks.
bool Connection::try_hold_back(const ResponseHead& head, std::span<const std::string_view> parts) {
  if (input_.empty() || !head.keep_alive() || head.framing() == ResponseFraming::chunked ||
      response_started_ || !server_.polling().are_runs_short())
    return false;
  if (!is_held_back_ && !outbox_.empty()) return false;
  if (head.framing() == ResponseFraming::none) parts = {};
  std::array<iovec, Outbox::kPartsMax> out;
  if (parts.size() >= out.size()) return false;
  std::size_t used = 0, bytes = 0;
  const auto add = [&](std::string_view part) {
    out[used++] = to_iovec(part);
    bytes += part.size();
  };
  add(head.bytes());
  for (std::string_view part : parts) add(part);
  if (!try_keep_held_back({out.data(), used}, bytes)) return false;
  response_started_ = true;
  ends_by_close_ = false;
  body_bytes_ = bytes - head.bytes().size();
  is_held_back_ = true;
  shared_.store(true);
  if (!server_.held_back().try_add(*this) || !server_.polling().ask_for_look()) send_held_back();
  return true;
}

bool Connection::try_keep_held_back(std::span<const iovec> parts, std::size_t bytes) {
  std::lock_guard lock(shared_mutex_);
  if (!outbox_.empty() && outbox_.is_blocked()) return false;
  return outbox_.size() + bytes <= Outbox::kAlwaysKeptBytes &&
         outbox_.try_keep(parts, bytes, outbox_room());
}

void Connection::send_held_back() {
  unshare_outbox();
  if (!outbox_.empty() && outbox_.flush(fd_.get(), SIZE_MAX) == Outbox::Flush::failed) give_up();
}

// Nothing is held back while something is waited for. What the socket does not take now is sent
// when it does, before anything else unless a request has begun.
Connection::Next Connection::end_holding_back(Next next) {
  send_held_back();
  if (gave_up_) return Next::closed;
  if (outbox_.empty()) return next;
  if (next == Next::closed) return begin_writing(false);
  return stage_ == Stage::idle ? begin_writing(true) : next;
}

}  // namespace corral::http
