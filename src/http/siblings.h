// The processes that accept from the same listening sockets, as one of them sees them: what each
// has, which of them a connection should be with, and passing it there.
//
// An accepted connection goes to the process that has the fewest, and one whose process is
// occupied goes on, with its next request still unread, to one that is not. What is passed lies in
// the sibling's inbox until it polls. It cannot get lost: a sibling that does not serve, or whose
// beat is late (control/scoreboard.h), is passed nothing, and what lies in its inbox is taken back.
//
// The poller's, like everything that touches connections; constant numbers may be read by anybody.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "control/inbox.h"
#include "control/scoreboard.h"

namespace corral::http {

// What counts when it is decided where a connection should be.
struct Share {
  bool takes;        // connections from siblings; one's own is not asked
  bool is_occupied;  // every thread has been in its request for a while
  std::uint32_t connections;
};

// Where a new connection should be: with one that is not occupied if there is one, and among these
// with the one that has the fewest; here, unless that is a difference.
std::size_t choose_for_new(std::span<const Share> shares, std::size_t own);
// How many more than its share this one has, if it is worth passing them on.
std::uint32_t surplus(std::span<const Share> shares, std::size_t own);

// What is known of a connection beside its socket.
struct PassedNote {
  std::uint32_t endpoint;  // index of the listening socket, the same in all siblings
  std::uint32_t requests;  // that it has had
};

class Siblings {
 public:
  // The scoreboard outlives it. `own` is this process's slot.
  Siblings(control::Scoreboard& board, std::size_t own, std::size_t connections_max);

  bool is_alone() const { return slots_.size() == 1; }
  control::Slot& own() const { return board_.slot(slots_[own_]); }
  int inbox_fd() const { return own().inbox_read_fd; }

  // The sibling that a new connection should be passed to, if any.
  std::optional<std::size_t> choose_for_new() const;
  // A sibling with a thread that waits, if any; it has one request more to expect now.
  std::optional<std::size_t> claim_free() const;
  // The sibling with the fewest connections of those that are not occupied, if any.
  std::optional<std::size_t> choose_unoccupied() const;
  // Connections that are too many here, as of now.
  std::uint32_t surplus() const;
  // False: it is still the caller's alone. Else the caller closes its own descriptor, and if the
  // sibling has left meanwhile (is_serving) takes the other one back.
  bool pass(std::size_t sibling, int fd, const PassedNote& note);
  bool is_serving(std::size_t sibling) const {
    return board_.slot(slots_[sibling]).state.load() == control::SlotState::serving;
  }

  struct Received {
    Fd fd;
    PassedNote note;
  };
  // From the own inbox.
  control::Receipt receive(Received& received) { return receive_from(own_, received); }
  // From the inbox of one that does not look into it.
  control::Receipt take_back(Received& received);
  // Whether one of them does not take connections although it is there, and the kernel may ask it.
  bool is_one_silent() const;

  // The own inbox is empty.
  void settle_inbound() { own().inbound.store(0, std::memory_order_relaxed); }

 private:
  control::Receipt receive_from(std::size_t index, Received& received);
  std::vector<Share> shares() const;
  bool takes(std::size_t index) const;

  control::Scoreboard& board_;
  std::vector<std::size_t> slots_;  // of those with an inbox; or only the own one
  std::size_t own_;                 // index in slots_
  std::size_t connections_max_;
};

}  // namespace corral::http
