// The scoreboard of a node: one piece of shared memory with a slot for each process, in which it
// says what it is doing, for its siblings and for whoever reports.
//
// The supervisor makes it, hands its descriptor to every child under the same number, and tells
// each child its slot (Kind::place). A slot belongs to a place in the node, not to a process: it
// outlives the process in it, and the next one gets it. Who writes: the process in the slot, except
// where a field says otherwise. Who reads: everybody. Each field stands for itself and may be old
// by the time it is read; nothing may be concluded from two of them together. So all access is
// relaxed, except that of `state` (below).
//
//   free --the process begins--> booting --> serving --> draining
//     ^                             |           |           |
//     +--- the supervisor, once it has reaped the process --+
//
// A dead process's slot is free as soon as the supervisor has buried it. A process that was stopped
// (SIGSTOP), or gets no processor, shows by its beat, which gets old.
//
// An inbox is a pair of sockets by which a process gets connections from its siblings. Every
// process holds both ends, so what is in it survives the process, and any other can take it back.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace corral::control {

enum class SlotState : std::uint32_t { free = 0, booting = 1, serving = 2, draining = 3 };

// Counters are of the process that is in the slot.
struct alignas(64) Slot {
  // Sequentially consistent: who passes a connection looks at it again afterwards, and who leaves
  // `serving` empties its inbox afterwards; so one of the two finds the connection.
  std::atomic<SlotState> state;
  std::atomic<std::int32_t> pid;
  std::atomic<std::uint64_t> incarnation;  // by the supervisor: processes so far in this slot
  std::atomic<std::int64_t> beat_ms;       // monotonic; not older than kBeatMaxMs in a healthy one
  std::int32_t inbox_read_fd;              // constant; -1: no inbox
  std::int32_t inbox_write_fd;             // constant
  std::atomic<std::int32_t> inbound;       // by all: connections in the inbox, approximately
  std::atomic<std::uint32_t> connections;  // open
  std::atomic<std::uint32_t> is_occupied;  // for a while no thread has begun another request
  std::atomic<std::uint32_t> is_free;      // a thread waits; cleared by who passes it a request
  std::atomic<std::uint32_t> queued;       // requests that wait for a thread
  std::atomic<std::uint32_t> threads_idle;
  std::atomic<std::uint64_t> accepted;  // connections
  std::atomic<std::uint64_t> requests;
  std::atomic<std::uint64_t> passed;   // connections, to siblings
  std::atomic<std::uint64_t> adopted;  // connections, from inboxes
};

// A process writes its beat four times a second; one that is later than this is taken for stopped.
constexpr Milliseconds kBeatMaxMs = 600;

constexpr std::uint32_t kScoreboardVersion = 1;  // of the layout: a new number with every change
static_assert(sizeof(Slot) == 128 && alignof(Slot) == 64, "no two slots share a cache line");
static_assert(std::atomic<std::uint64_t>::is_always_lock_free,
              "locks do not work across processes");
static_assert(std::atomic<SlotState>::is_always_lock_free, "locks do not work across processes");

class Scoreboard {
 public:
  // --- the supervisor
  static Result<Scoreboard> create(std::size_t slots);
  Result<void> add_inbox(std::size_t slot);
  // What a child must inherit, the scoreboard's own descriptor first.
  std::vector<int> fds() const;
  void begin(std::size_t slot);  // a new process is about to get it
  void clear(std::size_t slot);  // the process in it is dead

  // --- a child; the descriptors become its own, and close-on-exec
  static Result<Scoreboard> attach(int fd);

  std::size_t slots() const;
  Slot& slot(std::size_t index) const;

 private:
  struct Header;
  struct Unmap {
    std::size_t bytes;
    void operator()(Header* header) const;
  };

  Scoreboard(Fd memory, std::unique_ptr<Header, Unmap> header);
  static Result<std::unique_ptr<Header, Unmap>> map(int fd, std::size_t bytes);

  std::vector<Fd> fds_;
  std::unique_ptr<Header, Unmap> header_;
};

}  // namespace corral::control
