#include "gateway/task_post.h"

#include <utility>

#include "base/clock.h"
#include "base/log_format.h"

namespace corral::gateway {

using exec::Finding;

// --- the thread

void TaskPost::begin(interp::Attached& attached, const tasks::Job& job) {
  attached_ = &attached;
  job_ = &job;
}

void TaskPost::limit(Milliseconds time_max_ms, tasks::JobStatus status, std::string head) {
  if (has_limit_) return;  // the runner says it once
  has_limit_ = true;
  ending_ = {own_turn() + 1, {job_->id, job_->lease, status, std::move(head)}};
  time_max_ms_.store(time_max_ms, std::memory_order_relaxed);
  begin_turn();
}

bool TaskPost::settle() {
  if (!has_limit_ || hold()) return true;
  shield(*attached_);
  return false;
}

void TaskPost::end() {
  if (std::exchange(has_limit_, false) && end_turn(*attached_) == Written::record) {
    log_.info("a task that was broken off has ended", {{"job", job_->id}});
  }
  attached_ = nullptr;
  job_ = nullptr;
}

// --- the watcher

void TaskPost::take(const Finding&) {
  std::lock_guard lock(mutex_);
  taken_ = std::move(ending_);
}

// --- records

void TaskPost::write_finding(const Finding& finding, std::string_view name, std::string_view text) {
  std::string job;
  {
    std::lock_guard lock(mutex_);
    if (taken_.turn == finding.turn) job = taken_.outcome.id;
  }
  const bool is_stubborn = finding.kind == Finding::Kind::stubborn;
  if (is_stubborn) {
    return log_.info(
        "a task goes on although it was interrupted; it is interrupted again",
        {{"job", job}, {"thread", finding.thread}, {"ran_ms", finding.ran_ms}, {name, text}});
  }
  log_.warning(
      512,
      "a task ran longer than its timeout: its outcome is written, it is broken off, and "
      "another thread takes its thread's place",
      {{"job", job}, {"thread", finding.thread}, {"ran_ms", finding.ran_ms}, {name, text}});
  send(finding, name == "stack" ? text : std::string_view());
}

void TaskPost::send(const Finding& finding, std::string_view stack) {
  Ending ending;
  {
    std::lock_guard lock(mutex_);
    if (taken_.turn != finding.turn) return;
    ending = taken_;
  }
  std::string& result = ending.outcome.result;
  std::string traceback = "Traceback (most recent call last):\n";
  traceback += stack.empty() ? "  (its thread could not be looked at)\n" : stack;
  append_json_string(result, traceback + "corral.exceptions.TaskTimeout\n");
  result += "},\"ended\":" + std::to_string(monotonic_ns()) + "}";
  keeper_.finish(std::move(ending.outcome));
}

}  // namespace corral::gateway
