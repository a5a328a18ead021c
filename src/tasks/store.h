// Where jobs live. The keeper is the only caller, always on its own thread, one call at a time; a
// call may block on the database but never on user code.
//
// Any failure of the database is an Error: the keeper logs it once, pauses with growing delays and
// calls open() again. Nothing is lost by repeating a call: claims and finishes are guarded by id
// and lease.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tasks/job.h"

namespace corral::tasks {

constexpr Milliseconds kNever = std::numeric_limits<Milliseconds>::max();
constexpr Milliseconds kNoSchedules = -2;  // of Store::next_tick_ms()

struct Claim {
  std::vector<Job> jobs;
  Milliseconds next_due_ms =
      -1;  // until the earliest waiting job of the kind asked for may run, or a paused queue goes
           // on; -1: nothing is waited for
};

class Store {
 public:
  virtual ~Store() = default;

  // Connects, registers this node, and rescues what dead nodes of this store left RUNNING. Returns
  // how many. Called again after every failure. It then also gives back what this node claimed
  // without the keeper having learnt of it: rows RUNNING here whose (id, lease) no claim()
  // returned, because the answer was lost with the connection.
  virtual Result<int> open() = 0;

  // Up to `limit` ready jobs of queues that are not paused, by priority, due time and age.
  // `suspects` decides about jobs with crashes > 0: `none` skips them; `one` returns at most one,
  // and only such a job.
  enum class Suspects { none, one };
  virtual Result<Claim> claim(int limit, Suspects suspects) = 0;

  // Writes outcomes whose lease still holds; returns how many were late and changed nothing. One
  // with JobStatus::retry makes its job READY again, to be run `retry_in` microseconds from now on
  // the database's clock and not finished; any other ends it, and sets when it may be pruned. An
  // outcome that the database refuses for what is in it is the store's to solve: an Error would be
  // repeated for ever.
  virtual Result<int> finish(std::span<const Outcome> outcomes) = 0;

  // Gives claimed jobs back as if never claimed (they were not begun, or the node stops without
  // waiting for them).
  virtual Result<void> release(std::span<const Job> jobs) = 0;

  // Called fifteen times a lease (keeper.cc). Renews this node's lease where it is time,
  // registering it again where others took it for dead, and rescues what dead nodes left. A node is
  // dead when its process is provably gone or when it has been silent for a lease, which takes
  // several looks (witness.h). Returns how many were rescued.
  virtual Result<int> beat() = 0;

  // Ends, as cancelled, jobs whose end was asked for and that wait; claim() never returns those.
  // Returns the ones this node runs. Cheap where there are none.
  struct Held {
    std::string id;
    std::int64_t lease = 0;
  };
  virtual Result<std::vector<Held>> cancelled() = 0;

  // Deletes up to `limit` finished jobs whose retention is over; returns how many.
  virtual Result<int> prune(int limit) = 0;

  // How long until the earliest planned tick of a schedule, rounded up: 0 when it is due, -1 when
  // none is planned. kNoSchedules: this store has none and never will. Cheap: a probe of an index.
  virtual Result<Milliseconds> next_tick_ms() = 0;

  // True when rows may have changed since the last claim without a wake (written by another
  // program). Cheap.
  virtual Result<bool> changed() = 0;

  // A descriptor that is readable when the database has news by itself; -1: there is none. Another
  // one after open().
  virtual int wake_fd() const { return -1; }
  // Takes such news without waiting: true when other programs may have written jobs. An Error when
  // the connection is gone. Cheap: called after every step.
  virtual Result<bool> hear() { return false; }

  // True while other nodes would hear announce(); as of the last open() or beat().
  virtual bool announces() const { return false; }
  // Tells the other nodes that jobs were written which this one has no room for.
  virtual Result<void> announce() { return {}; }

  // Removes the node's row and disconnects.
  virtual void close() = 0;
};

}  // namespace corral::tasks
