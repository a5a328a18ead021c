#include "gateway/task_program.h"

#include "gateway/python_error.h"

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
  on_store_({std::string(django, static_cast<std::size_t>(django_size)),
             std::string(postgres, static_cast<std::size_t>(postgres_size))});
  return true;
}

void TaskProgram::run(interp::PythonThread& thread, exec::Post*) {
  while (auto taken = keeper_.ready().pop()) {
    tasks::Outcome outcome = [&] {
      interp::Attached attached(thread);
      return run_job(attached, taken->item);
    }();
    keeper_.finish(std::move(outcome));
  }
}

// The Python side turns whatever the task raises into a failed outcome; an exception here is a
// fault of Corral's own, and still ends the job rather than leaving it RUNNING.
tasks::Outcome TaskProgram::run_job(interp::Attached& attached, const tasks::Job& job) {
  tasks::Outcome outcome{job.id, job.lease, tasks::JobStatus::failed, {}};
  Ref result = Ref::steal(PyObject_CallFunction(run_.get(), "y#", job.payload.data(),
                                                static_cast<Py_ssize_t>(job.payload.size())));
  int status = 0;  // runner.py: 0 failed, 1 successful, 2 to be run again
  const char* bytes = nullptr;
  Py_ssize_t size = 0;
  if (result && PyArg_ParseTuple(result.get(), "iy#:run", &status, &bytes, &size)) {
    outcome.status = status == 1   ? tasks::JobStatus::successful
                     : status == 2 ? tasks::JobStatus::retry
                                   : tasks::JobStatus::failed;
    outcome.result.assign(bytes, static_cast<std::size_t>(size));
    return outcome;
  }
  const PythonError error = take_python_error(attached);
  log().error(510, "a job could not be run for a fault of Corral's own; it is marked as failed",
              {{"job", job.id}, {"error", error.summary}, {"traceback", error.traceback}});
  return outcome;
}

void TaskProgram::unload(interp::Attached& attached) {
  run_.reset();
  ProgramBase::unload(attached);
}

}  // namespace corral::gateway
