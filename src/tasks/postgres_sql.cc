#include "tasks/postgres_sql.h"

#include <array>

#include "tasks/shares.h"

namespace corral::tasks {
namespace {

constexpr const char* kOrder = "priority DESC, due_at, id";

// Names of prepared statements, by kind of queues and of rows.
constexpr const char* kClaimNames[3][2] = {
    {"claim_one", "claim_one_suspect"},
    {"claim_several", "claim_several_suspect"},
    {"claim_any", "claim_any_suspect"},
};
constexpr const char* kWaitNames[3][2] = {
    {"wait_one", "wait_one_suspect"},
    {"wait_several", "wait_several_suspect"},
    {"wait_any", "wait_any_suspect"},
};
constexpr const char* kPeekNames[3] = {"peek_one", "peek_several", "peek_any"};

std::string crashes(bool suspects) { return suspects ? "crashes > 0" : "crashes = 0"; }

// Rows by their ids are written `= ANY (ARRAY(…))` where the planner cannot know how few they are:
// a join would read the whole table.

// The condition for rows of `queue` (SQL) that may be claimed now.
std::string ready(const std::string& queue, bool suspects) {
  return "status = 'READY' AND queue_name = " + queue + " AND " + crashes(suspects) +
         " AND due_at <= statement_timestamp() AND cancel_requested_at IS NULL";
}

// Whether the queue `name` (SQL) is paused.
std::string paused(const std::string& name) {
  return "EXISTS (SELECT FROM corral_queue WHERE corral_queue.name = " + name +
         " AND (resume_at IS NULL OR resume_at > statement_timestamp()))";
}

// The names of all queues with READY rows, by one probe of the index each.
std::string all_queues() {
  const std::string nth = "SELECT min(queue_name) FROM corral_job WHERE status = 'READY'";
  return "names(name) AS (" + nth + " UNION ALL SELECT (" + nth +
         " AND queue_name > names.name) FROM names WHERE names.name IS NOT NULL), "
         "queues AS MATERIALIZED (SELECT name FROM names WHERE name IS NOT NULL AND NOT " +
         paused("names.name") + ")";
}

// A WITH list that gives `queues(name)`, from the first parameter or from the table, without the
// paused ones.
std::string queue_names(Queues queues) {
  if (queues == Queues::any) return "WITH RECURSIVE " + all_queues();
  return "WITH queues AS MATERIALIZED (SELECT name FROM unnest($1::text[]) AS asked(name) "
         "WHERE NOT " +
         paused("asked.name") + ")";
}

// Parameters are numbered behind the queues.
std::string parameter(Queues queues, int number) {
  return "$" + std::to_string(queues == Queues::any ? number : number + 1);
}

// `ready(id)`: up to `limit` rows, locked. With several queues it is found first, without locks,
// how many of the next rows are in which queue (shares.h), so that each reads the first rows of the
// index and sorts nothing. Where it is the turn of several queues, priority decides between them.
// A CTE, because a plain sub-select with LIMIT may be run again by a nested loop and claim more
// than asked.
std::string ready_rows(Queues queues, bool suspects, const std::string& limit) {
  if (queues == Queues::one) {
    return "WITH ready AS MATERIALIZED (SELECT id FROM corral_job WHERE " + ready("$1", suspects) +
           " AND NOT " + paused("$1") + " ORDER BY " + kOrder + " LIMIT " + limit +
           " FOR UPDATE SKIP LOCKED)";
  }
  const std::string where = ready("queues.name", suspects);
  return queue_names(queues) +
         ", best AS MATERIALIZED (SELECT queues.name FROM queues LEFT JOIN unnest(" +
         parameter(queues, 4) + "::text[], " + parameter(queues, 5) + "::bigint[], " +
         parameter(queues, 6) +
         "::bigint[]) AS share(name, ahead, step) ON share.name = queues.name "
         "CROSS JOIN LATERAL (SELECT priority, due_at, id, row_number() OVER (ORDER BY " +
         kOrder + ") - 1 AS n FROM (SELECT priority, due_at, id FROM corral_job WHERE " + where +
         " ORDER BY " + kOrder + " LIMIT " + limit +
         ") AS first) AS head ORDER BY coalesce(ahead, 0) + n * coalesce(step, " +
         std::to_string(Shares::kStep) + "), " + kOrder + " LIMIT " + limit +
         "), shares AS MATERIALIZED (SELECT name, count(*) AS rows FROM best GROUP BY name), "
         "ready AS MATERIALIZED (SELECT head.id FROM shares AS queues CROSS JOIN LATERAL "
         "(SELECT id FROM corral_job WHERE " +
         where + " ORDER BY " + kOrder + " LIMIT queues.rows FOR UPDATE SKIP LOCKED) AS head)";
}

std::string time_column(const char* column, const std::string& time_zone) {
  if (time_zone.empty()) return column;
  std::string quoted;
  for (const char c : time_zone) quoted += c == '\'' ? "''" : std::string(1, c);
  return std::string(column) + " AT TIME ZONE '" + quoted + "'";
}

std::string claim_sql(Queues queues, bool suspects, const std::string& time_zone) {
  return ready_rows(queues, suspects, parameter(queues, 1) + "::bigint") +
         ", claimed AS (UPDATE corral_job AS job SET status = 'RUNNING', lease = lease + 1, node "
         "= " +
         parameter(queues, 2) +
         "::uuid, started_at = coalesce(started_at, statement_timestamp()), "
         "last_attempted_at = statement_timestamp(), "
         "worker_ids = CASE worker_ids WHEN '[]' THEN '[' ELSE left(worker_ids, -1) || ',' END "
         "|| " +
         parameter(queues, 3) +
         "::text || ']' WHERE job.id = ANY (ARRAY(SELECT id FROM ready)) RETURNING job.*) "
         "SELECT id, lease, queue_name, crashes, priority, task_path, backend_name, " +
         time_column("run_after", time_zone) + ", " + time_column("enqueued_at", time_zone) + ", " +
         time_column("started_at", time_zone) +
         ", args, kwargs, errors, worker_ids, options, at_most_once FROM claimed ORDER BY " +
         kOrder;
}

std::string wait_sql(Queues queues, bool suspects) {
  const std::string first =
      "SELECT min(due_at) AS due FROM corral_job WHERE status = 'READY' AND run_after IS NOT NULL "
      "AND " +
      crashes(suspects) + " AND queue_name = ";
  // Paused queues for which jobs wait.
  const std::string resumed =
      " UNION ALL SELECT min(resume_at) FROM corral_queue WHERE resume_at > statement_timestamp() "
      "AND EXISTS (SELECT FROM corral_job WHERE status = 'READY' AND queue_name = "
      "corral_queue.name)";
  const std::string span =
      "(extract(epoch FROM min(due) - statement_timestamp()) * 1000000)::bigint";
  if (queues == Queues::one) {
    return "SELECT " + span + " FROM (" + first + "$1 AND NOT " + paused("$1") + resumed +
           " AND corral_queue.name = $1) AS firsts";
  }
  const std::string of_ours =
      queues == Queues::any ? "" : " AND corral_queue.name = ANY ($1::text[])";
  return queue_names(queues) + " SELECT " + span +
         " FROM (SELECT firsts.due FROM queues CROSS JOIN LATERAL (" + first +
         "queues.name) AS firsts" + resumed + of_ours + ") AS moments(due)";
}

std::string peek_sql(Queues queues) {
  if (queues == Queues::one) {
    return "SELECT EXISTS (SELECT FROM corral_job WHERE " + ready("$1", false) + " AND NOT " +
           paused("$1") + ")";
  }
  return queue_names(queues) +
         " SELECT EXISTS (SELECT FROM queues CROSS JOIN LATERAL (SELECT FROM corral_job WHERE " +
         ready("queues.name", false) + " LIMIT 1) AS head)";
}

// Each statement has an index to go by, for few rows. So its plan is made once, whatever the table
// holds, and one that was made for an empty table serves a million rows: what would read the
// whole table costs more than it can save. Planning takes longer than claiming a few jobs. Every
// statement is over before anything could be compiled. Our updates are made for READ COMMITTED.
constexpr const char* kSetUp =
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', false), "
    "set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false), "
    "set_config('enable_mergejoin', 'off', false), set_config('enable_bitmapscan', 'off', false), "
    "set_config('random_page_cost', '1.1', false), set_config('jit', 'off', false), "
    "set_config('default_transaction_isolation', 'read committed', false)";

constexpr const char* kRenew =
    "INSERT INTO corral_node (incarnation, host, pid, machine, process_started, started_at, "
    "expires_at) VALUES ($1::uuid, $2::text, $3::bigint, $4::text, $5::bigint, "
    "statement_timestamp(), statement_timestamp() + $6::bigint * interval '1 millisecond') "
    "ON CONFLICT (incarnation) DO UPDATE SET expires_at = excluded.expires_at";

// Until when a node counts as alive, as a number that is the same as long as it has not renewed.
#define CORRAL_EXPIRY "(extract(epoch FROM expires_at) * 1000000)::bigint"

constexpr const char* kNodes =
    "SELECT incarnation, machine, pid, process_started, " CORRAL_EXPIRY
    ", "
    "(expires_at <= statement_timestamp())::int::bigint, (expires_at > statement_timestamp() + "
    "$1::bigint * interval '1 millisecond')::int::bigint FROM corral_node";

constexpr const char* kBury =
    "DELETE FROM corral_node WHERE incarnation = $1::uuid AND " CORRAL_EXPIRY " = $2::bigint";

// The orphans are of one snapshot: a node registers before it claims, so a job it holds is never
// seen without it. What another node did to a row since then shows in its lease, which the lock
// looks at again.
constexpr const char* kRescue =
    "WITH orphans AS MATERIALIZED (SELECT id, lease FROM corral_job WHERE status = 'RUNNING' "
    "AND (node IS NULL OR (node <> $1::uuid AND NOT EXISTS (SELECT 1 FROM corral_node "
    "WHERE incarnation = corral_job.node))) "
    "ORDER BY id LIMIT $2::bigint), "
    "backends AS MATERIALIZED (SELECT * FROM unnest($3::text[], $4::bigint[], $5::bigint[]) "
    "AS backend(name, max_crashes, retention)), "
    "locked AS MATERIALIZED (SELECT job.id, job.crashes + 1 AS crashes, "
    "job.at_most_once OR job.crashes + 1 >= coalesce((SELECT max_crashes FROM backends "
    "WHERE name = job.backend_name), $6::bigint) AS fails "
    "FROM corral_job AS job JOIN orphans ON job.id = orphans.id AND job.lease = orphans.lease "
    "WHERE job.status = 'RUNNING' ORDER BY job.id FOR UPDATE OF job SKIP LOCKED) "
    "UPDATE corral_job AS job SET status = CASE WHEN fails THEN 'FAILED' ELSE 'READY' END, "
    "finished_at = CASE WHEN fails THEN statement_timestamp() ELSE finished_at END, "
    "errors = CASE WHEN fails THEN CASE errors WHEN '[]' THEN '[' ELSE left(errors, -1) || ',' END "
    "|| CASE WHEN at_most_once THEN $8::text ELSE replace($7::text, '%d', locked.crashes::text) "
    "END "
    "|| ']' ELSE errors END, "
    "prune_at = CASE WHEN fails THEN statement_timestamp() + (SELECT retention FROM backends "
    "WHERE name = job.backend_name) * interval '1 microsecond' ELSE prune_at END, "
    "crashes = locked.crashes, lease = lease + 1, node = NULL "
    "FROM locked WHERE job.id = locked.id";

constexpr const char* kHeldRows =
    "SELECT id, lease FROM corral_job WHERE status = 'RUNNING' AND node = $1::uuid";

constexpr const char* kLeave = "DELETE FROM corral_node WHERE incarnation = $1::uuid";

// The status is not asked for in the words of a partial index: a plan that was made while hardly
// any job was RUNNING would look through all that are, for each row.
//
// `ended` is NULL for a job to be run again, and with it what is made of it; `retention` is NULL
// for a row that is kept, -1 where the task was not asked.
constexpr const char* kFinish =
    "UPDATE corral_job AS job SET status = done.status, "
    "started_at = CASE WHEN started_at = last_attempted_at "
    "THEN statement_timestamp() + done.began * interval '1 microsecond' ELSE started_at END, "
    "last_attempted_at = statement_timestamp() + done.began * interval '1 microsecond', "
    "finished_at = statement_timestamp() + done.ended * interval '1 microsecond', "
    "run_after = coalesce(statement_timestamp() + done.retry * interval '1 microsecond', "
    "job.run_after), "
    "due_at = coalesce(statement_timestamp() + done.retry * interval '1 microsecond', job.due_at), "
    "prune_at = statement_timestamp() + (done.ended + CASE done.retention WHEN -1 THEN "
    "(SELECT backend.retention FROM unnest($12::text[], $13::bigint[]) AS backend(name, retention) "
    "WHERE backend.name = job.backend_name) ELSE done.retention END) * interval '1 microsecond', "
    "return_value = done.return_value, "
    "errors = CASE WHEN done.error IS NULL THEN coalesce(done.errors, job.errors) "
    "ELSE CASE job.errors WHEN '[]' THEN '[' ELSE left(job.errors, -1) || ',' END "
    "|| done.error || ']' END, "
    "worker_ids = coalesce(done.worker_ids, job.worker_ids), node = NULL "
    "FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], "
    "$7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[]) AS done(id, lease, status, "
    "began, ended, retry, retention, return_value, errors, error, worker_ids) "
    "WHERE job.id = done.id AND job.lease = done.lease AND job.status || '' = 'RUNNING'";

// The conditions repeat the words of the index corral_job_cancel.
constexpr const char* kCancelled =
    "WITH asked AS MATERIALIZED (SELECT id, lease, status FROM corral_job "
    "WHERE cancel_requested_at IS NOT NULL AND finished_at IS NULL "
    "AND (status = 'READY' OR (status = 'RUNNING' AND node = $1::uuid)) "
    "ORDER BY cancel_requested_at LIMIT $2::bigint), "
    "ended AS (UPDATE corral_job AS job SET status = 'FAILED', "
    "finished_at = statement_timestamp(), "
    "errors = CASE job.errors WHEN '[]' THEN '[' ELSE left(job.errors, -1) || ',' END "
    "|| $3::text || ']', "
    "prune_at = statement_timestamp() + (SELECT backend.retention FROM unnest($4::text[], "
    "$5::bigint[]) AS backend(name, retention) WHERE backend.name = job.backend_name) "
    "* interval '1 microsecond' "
    "WHERE job.id = ANY (ARRAY(SELECT id FROM asked WHERE status = 'READY')) "
    "AND job.status = 'READY' AND job.cancel_requested_at IS NOT NULL) "
    "SELECT id, lease FROM asked WHERE status = 'RUNNING'";

constexpr const char* kPrune =
    "DELETE FROM corral_job WHERE id IN (SELECT id FROM corral_job "
    "WHERE prune_at <= statement_timestamp() ORDER BY prune_at LIMIT $1::bigint "
    "FOR UPDATE SKIP LOCKED)";

// Whole seconds since 1970; NULL is not planned.
constexpr const char* kNextTick =
    "SELECT ceil((min(next_run_at) - extract(epoch FROM statement_timestamp())) * 1000)::bigint "
    "FROM corral_schedule";

// The last of worker_ids goes; where none is left the job was never begun.
constexpr const char* kRelease =
    "UPDATE corral_job AS job SET status = 'READY', lease = job.lease + 1, node = NULL, "
    "started_at = CASE rest.worker_ids WHEN '[]' THEN NULL ELSE started_at END, "
    "last_attempted_at = CASE rest.worker_ids WHEN '[]' THEN NULL ELSE last_attempted_at END, "
    "worker_ids = rest.worker_ids "
    "FROM (SELECT held.id, held.lease, '[' || coalesce((SELECT string_agg(name::text, ',' "
    "ORDER BY n) FROM json_array_elements(held.worker_ids::json) WITH ORDINALITY AS names(name, n) "
    "WHERE n < json_array_length(held.worker_ids::json)), '') || ']' AS worker_ids "
    "FROM corral_job AS held JOIN unnest($1::uuid[], $2::bigint[]) AS given(id, lease) "
    "ON held.id = given.id AND held.lease = given.lease WHERE held.status || '' = 'RUNNING') AS "
    "rest "
    "WHERE job.id = rest.id AND job.lease = rest.lease AND job.status || '' = 'RUNNING'";

}  // namespace

PostgresSql::PostgresSql(const std::string& time_zone)
    : set_up{"set_up", kSetUp},
      renew{"renew", kRenew},
      nodes{"nodes", kNodes},
      bury{"bury", kBury},
      rescue{"rescue", kRescue},
      held_rows{"held_rows", kHeldRows},
      leave{"leave", kLeave},
      finish{"finish", kFinish},
      cancelled{"cancelled", kCancelled},
      prune{"prune", kPrune},
      next_tick{"next_tick", kNextTick},
      release{"release", kRelease} {
  for (const Queues queues : {Queues::one, Queues::several, Queues::any}) {
    const std::size_t at = index(queues);
    for (const bool suspects : {false, true}) {
      claims_[at][suspects] = {kClaimNames[at][suspects], claim_sql(queues, suspects, time_zone)};
      waits_[at][suspects] = {kWaitNames[at][suspects], wait_sql(queues, suspects)};
    }
    peeks_[at] = {kPeekNames[at], peek_sql(queues)};
  }
}

}  // namespace corral::tasks
