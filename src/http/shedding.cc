// What is turned away so that the rest is served: requests that wait for a worker, and connections
// that wait for nothing in particular.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "http/connection.h"
#include "http/response.h"
#include "http/server.h"

namespace corral::http {
namespace {

// A client that says "no more" right behind its request wants the answer all the same; one that
// says so after a wait has left.
constexpr Milliseconds kGoneAfterMs = 50;

// The first request of a client that has only just connected is on its way. One that says nothing
// for this long is as good as idle.
constexpr Milliseconds kUnheardGraceMs = 1'000;

// To look for idle connections among all takes time. So a part of all is closed at once, and when
// there were fewer the next look is taken after a while.
constexpr std::size_t kRoomPart = 16;
constexpr Milliseconds kLookPauseMs = 100;

}  // namespace

// --- requests

// Any thread, with nothing of the queue's held.
void Server::refuse_overdue() {
  for (Queue::Taken& overdue : queue_.take_overdue(admission_.queue_wait_max_ms)) {
    const bool is_late = overdue.waited_ms > admission_.queue_wait_max_ms;
    overdue.item.shed(is_late ? Limit::queue_wait : Limit::overload_wait);
  }
}

bool Exchange::is_stale(Milliseconds waited_ms) const {
  if (waited_ms > connection_->server_.admission().queue_wait_max_ms) return true;
  return waited_ms >= kGoneAfterMs && connection_->has_client_left();
}

void Exchange::turn_away(Milliseconds waited_ms) {
  if (waited_ms > connection_->server_.admission().queue_wait_max_ms) {
    return shed(Limit::queue_wait);
  }
  Connection* connection = std::exchange(connection_, nullptr);
  connection->go_on_after(connection->give_up_gone());
}

void Exchange::shed(Limit limit) {
  Connection* connection = std::exchange(connection_, nullptr);
  connection->go_on_after(connection->answer_busy(limit));
}

// The end of file, or a reset, is what comes next from the client, and was not there yet when its
// request was admitted.
bool Connection::has_client_left() const {
  if (was_half_closed_) return false;
  char next;
  const ssize_t count = ::recv(fd_.get(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
}

// Nobody may be there to read it, but a client that has only closed its half gets an answer.
Connection::Next Connection::give_up_gone() {
  add_one(server_.counters().gone);
  server_.queue_.note_gone();
  return answer(
      503, plain_response(503, "busy, try again\n", own_lines({}), false, server_.server_line()),
      false);
}

// For want of a worker.
Connection::Next Connection::answer_busy(Limit limit) {
  add_one(server_.counters().shed);
  if (limit != Limit::none) note(limit);
  const std::string retry =
      "Retry-After: " + std::to_string(server_.admission().retry_after_s) + "\r\n";
  return answer_plainly(503, "busy, try again\n", retry);
}

// The queue did not take the request.
Connection::Next Connection::answer_busy(dispatch::Admission admission) {
  return answer_busy(admission == dispatch::Admission::full ? Limit::queue_depth : Limit::none);
}

// --- connections

// True if there is room for another connection now.
bool Server::make_room() {
  const Milliseconds now_ms = monotonic_ms();
  if (now_ms < next_room_ms_) return false;
  std::vector<Connection::Spare> spares;
  for (Connection* connection : connections_) {
    if (const auto spare = connection->as_spare(now_ms)) spares.push_back(*spare);
  }
  const std::size_t wanted = std::max<std::size_t>(1, connections_.size() / kRoomPart);
  if (spares.size() < wanted) next_room_ms_ = now_ms + kLookPauseMs;
  const std::size_t count = std::min(wanted, spares.size());
  std::ranges::partial_sort(spares, spares.begin() + static_cast<std::ptrdiff_t>(count));
  bool is_room = false;
  for (std::size_t index = 0; index < count; ++index) {
    if (spares[index].connection->make_room()) is_room = true;
  }
  return is_room;
}

std::optional<Connection::Spare> Connection::as_spare(Milliseconds now_ms) {
  // Only this thread takes hold of a free connection, so a free one stays free while we look.
  if (token_.load(std::memory_order_acquire) != 0) return std::nullopt;
  if (stage_ != Stage::idle || !input_.empty()) return std::nullopt;
  const Milliseconds accepted_ms = deadline_ms_ - server_.limits().header_time_max_ms;
  if (first_request_ && now_ms - accepted_ms < kUnheardGraceMs) return std::nullopt;
  return Spare{first_request_, deadline_ms_, this};
}

bool Connection::make_room() {
  token_.store(kHeld, std::memory_order_relaxed);
  // Its next request may lie in the socket.
  Next next = step();
  if (next == Next::wait && stage_ == Stage::idle && input_.empty()) {
    note(Limit::idle_closed);
    next = Next::closed;
  }
  settle(next);
  return next == Next::closed;
}

}  // namespace corral::http
