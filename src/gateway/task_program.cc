#include "gateway/task_program.h"

#include "gateway/python_error.h"
#include "gateway/task_watch.h"

namespace corral::gateway {

using interp::Ref;

bool TaskProgram::load_application(interp::Attached& attached, exec::Loaded& loaded) {
  Ref result = call_loader(attached, "corral.tasks.worker");
  if (!result) return false;
  if (result.get() == Py_None) {
    loaded = exec::Loaded::not_needed;
    return true;
  }
  PyObject* run = nullptr;
  const char *django = nullptr, *postgres = nullptr;
  Py_ssize_t django_size = 0, postgres_size = 0;
  if (!PyArg_ParseTuple(result.get(), "Oy#s#:load", &run, &django, &django_size, &postgres,
                        &postgres_size)) {
    return false;
  }
  run_ = Ref::borrow(run);
  Ref exceptions = Ref::steal(PyImport_ImportModule("corral.exceptions"));
  if (!exceptions) return false;
  interruptions_.timeout = Ref::steal(PyObject_GetAttrString(exceptions.get(), "TaskTimeout"));
  interruptions_.cancelled = Ref::steal(PyObject_GetAttrString(exceptions.get(), "TaskCancelled"));
  if (!interruptions_.timeout || !interruptions_.cancelled) return false;
  on_store_({std::string(django, static_cast<std::size_t>(django_size)),
             std::string(postgres, static_cast<std::size_t>(postgres_size))});
  return true;
}

std::unique_ptr<exec::Post> TaskProgram::make_post() {
  return std::make_unique<TaskPost>(log(), keeper_, posts_, interruptions_);
}

void TaskProgram::run(interp::PythonThread& thread, exec::Post* given) {
  auto& post = static_cast<TaskPost&>(*given);
  Ref watch;
  {
    interp::Attached attached(thread);
    watch = make_task_watch(attached, post);
    if (!watch) log_fault(attached, "a thread's tasks have no time limit", {});
  }
  while (auto taken = keeper_.ready().pop(post.relieved())) {
    std::optional<tasks::Outcome> outcome;
    {
      interp::Attached attached(thread);
      post.begin(attached, taken->item);
      outcome = run_job(attached, taken->item, post, watch);
      post.end();
    }
    if (outcome) keeper_.finish(std::move(*outcome));
  }
  interp::Attached attached(thread);
  watch.reset();
}

// The Python side turns whatever the task raises into a failed outcome; an exception here is a
// fault of Corral's own, and still ends the job rather than leaving it RUNNING; or an interrupt
// that came late.
std::optional<tasks::Outcome> TaskProgram::run_job(interp::Attached& attached,
                                                   const tasks::Job& job, TaskPost& post,
                                                   const Ref& watch) {
  tasks::Outcome outcome{job.id, job.lease, tasks::JobStatus::failed, {}};
  Ref result =
      Ref::steal(PyObject_CallFunction(run_.get(), watch ? "y#O" : "y#", job.payload.data(),
                                       static_cast<Py_ssize_t>(job.payload.size()), watch.get()));
  const bool is_ours = post.settle();
  int status = 0;
  const char* bytes = nullptr;
  Py_ssize_t size = 0;
  if (result && PyArg_ParseTuple(result.get(), "iy#:run", &status, &bytes, &size)) {
    outcome.status = job_status(status);
    outcome.result.assign(bytes, static_cast<std::size_t>(size));
  } else if (is_ours) {
    log_fault(attached,
              "a job could not be run for a fault of Corral's own; it is marked as failed", job.id);
  } else {
    PyErr_Clear();
  }
  if (!is_ours) return std::nullopt;
  return outcome;
}

void TaskProgram::log_fault(interp::Attached& attached, std::string_view message,
                            std::string_view job) {
  const PythonError error = take_python_error(attached);
  log().error(510, message,
              {{"job", job}, {"error", error.summary}, {"traceback", error.traceback}});
}

void TaskProgram::unload(interp::Attached& attached) {
  run_.reset();
  interruptions_ = {};
  ProgramBase::unload(attached);
}

}  // namespace corral::gateway
