// The SQL of the PostgreSQL store. python/corral/tasks/sql.py and rescue.py say the same in the
// same words for Django's connection: a change here is a change there. Conditions repeat the words
// of the partial indexes (models.py), so that the planner sees they apply.
//
// Everything is on the server's clock. Each statement is a transaction by itself.
#pragma once

#include <string>

#include "tasks/postgres_session.h"

namespace corral::tasks {

// How the queues of a claim are given: one by name; several, each with its share; or all that have
// rows.
enum class Queues : std::uint8_t { one, several, any };

// Constant after construction.
struct PostgresSql {
  // `time_zone`: of the naive times that a site with USE_TZ = False sees; "": times are UTC.
  explicit PostgresSql(const std::string& time_zone);

  Statement set_up;  // -> -: for a session of our own
  // incarnation, host, pid, machine, process_started, lease in ms -> -
  Statement renew;
  // ms -> incarnation, machine, pid, process_started, expiry, whether that is over, and whether it
  // is further away than so long, of all nodes
  Statement nodes;
  // incarnation, expiry -> -: forgotten, unless it has renewed
  Statement bury;
  // incarnation, rows, backend names[], their max_crashes[], their retentions[], max_crashes of
  // others, error entry with %d, that of what runs at most once -> -
  Statement rescue;
  Statement held_rows;  // incarnation -> id, lease
  Statement leave;      // incarnation -> -

  // What claim, wait and peek share as first parameter: the queue, an array of them, or nothing.
  // limit, incarnation, worker label (JSON), and unless it is one queue: names[] of those with a
  // share of their own, how far they are ahead[], their step[] (shares.h)
  // -> the columns of postgres_claim.cc, in order
  const Statement& claim(Queues queues, bool suspects) const {
    return claims_[index(queues)][suspects];
  }
  // -> microseconds until the earliest deferred row is due or a paused queue with rows goes on
  // (NULL: none)
  const Statement& wait(Queues queues, bool suspects) const {
    return waits_[index(queues)][suspects];
  }
  // -> whether a row may be claimed now
  const Statement& peek(Queues queues) const { return peeks_[index(queues)]; }

  // ids[], leases[], statuses[], began[], ended[], retry[], retention[], return_values[], errors[],
  // error[], worker_ids[], backend names[], their retentions[] -> -
  Statement finish;
  // incarnation, rows, error entry, backend names[], their retentions[] -> id, lease of those that
  // this node runs; those that wait are ended
  Statement cancelled;
  Statement prune;      // rows -> -
  Statement next_tick;  // -> milliseconds or NULL
  Statement release;    // ids[], leases[] -> -

 private:
  static std::size_t index(Queues queues) { return static_cast<std::size_t>(queues); }
  Statement claims_[3][2];
  Statement waits_[3][2];
  Statement peeks_[3];
};

}  // namespace corral::tasks
