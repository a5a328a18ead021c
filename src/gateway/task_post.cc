#include "gateway/task_post.h"

#include <utility>

#include "base/clock.h"
#include "base/log_format.h"

namespace corral::gateway {

using exec::Finding;

// --- the thread

void TaskPost::begin(interp::Attached& attached, const tasks::Job& job) {
  attached_ = &attached;
  time_max_ms_.store(0, std::memory_order_relaxed);
  std::lock_guard lock(mutex_);
  job_ = &job;
  ending_ = {own_turn() + 1, {job.id, job.lease, tasks::JobStatus::failed, {}}};
  begin_turn();
}

void TaskPost::limit(Milliseconds time_max_ms, tasks::JobStatus status, std::string head) {
  if (!hold()) return;  // it was cancelled
  ending_.outcome.status = status;
  ending_.outcome.result = std::move(head);
  time_max_ms_.store(time_max_ms, std::memory_order_relaxed);
  let_go();
}

bool TaskPost::settle() {
  if (hold()) return true;
  shield(*attached_);
  return false;
}

void TaskPost::end() {
  if (end_turn(*attached_) == Written::record) {
    log_.info("a task that was broken off has ended", {{"job", job_->id}});
  }
  attached_ = nullptr;
  std::lock_guard lock(mutex_);
  job_ = nullptr;
}

// --- any thread

bool TaskPost::cancel(const std::string& id, std::int64_t lease) {
  std::lock_guard lock(mutex_);
  if (job_ == nullptr || job_->lease != lease || job_->id != id) return false;
  const std::uint64_t turn = this->turn();
  if (turn == 0) return false;  // it has just ended
  cancelled_turn_.store(turn, std::memory_order_release);
  ring_now();
  return true;
}

// --- the watcher

const interp::Ref& TaskPost::interruption() const {
  return is_cancelled() ? interruptions_.cancelled : interruptions_.timeout;
}

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
  const auto fields = {LogField{"job", job}, LogField{"thread", finding.thread},
                       LogField{"ran_ms", finding.ran_ms}, LogField{name, text}};
  const bool is_stubborn = finding.kind == Finding::Kind::stubborn;
  if (is_stubborn) {
    return log_.info("a task goes on although it was interrupted; it is interrupted again", fields);
  }
  if (is_cancelled(finding.turn)) {
    log_.info(
        "a running task was cancelled: its outcome is written, it is broken off, and another "
        "thread takes its thread's place",
        fields);
  } else {
    log_.warning(
        512,
        "a task ran longer than its timeout: its outcome is written, it is broken off, and "
        "another thread takes its thread's place",
        fields);
  }
  send(finding, name == "stack" ? text : std::string_view());
}

void TaskPost::send(const Finding& finding, std::string_view stack) {
  Ending ending;
  {
    std::lock_guard lock(mutex_);
    if (taken_.turn != finding.turn) return;
    ending = taken_;
  }
  std::string traceback = "Traceback (most recent call last):\n";
  traceback += stack.empty() ? "  (its thread could not be looked at)\n" : stack;
  std::string& result = ending.outcome.result;
  const std::int64_t now_ns = monotonic_ns();
  if (is_cancelled(finding.turn)) {
    ending.outcome.status = tasks::JobStatus::failed;
    result = "{\"began\":" + std::to_string(now_ns - finding.ran_ms * 1'000'000) +
             ",\"error\":{\"exception_class_path\":\"corral.exceptions.TaskCancelled\","
             "\"message\":\"it was cancelled while it ran\",\"traceback\":";
    append_json_string(result, traceback + "corral.exceptions.TaskCancelled\n");
  } else {
    append_json_string(result, traceback + "corral.exceptions.TaskTimeout\n");
  }
  result += "},\"ended\":" + std::to_string(now_ns) + "}";
  keeper_.finish(std::move(ending.outcome));
}

}  // namespace corral::gateway
