// Work that is turned away so that the rest is done in time: requests that wait for a worker.
#include <sys/socket.h>

#include <cerrno>

#include "http/connection.h"
#include "http/response.h"
#include "http/server.h"

namespace corral::http {
namespace {

// A client that says "no more" right behind its request wants the answer all the same; one that
// says so after a wait has left.
constexpr Milliseconds kGoneAfterMs = 50;

}  // namespace

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
  return answer(503, plain_response(503, "busy, try again\n", {}, false), false);
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

}  // namespace corral::http
