#include "gateway/command_program.h"

#include <csignal>

#include "gateway/python_error.h"

namespace corral::gateway {

using interp::Ref;

bool CommandProgram::load_application(interp::Attached& attached, exec::Loaded&) {
  run_ = call_loader(attached, "corral.command");
  return static_cast<bool>(run_);
}

void CommandProgram::run(interp::PythonThread& thread, exec::Post*) {
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    running_in_ = &thread.interpreter();
  }
  {
    interp::Attached attached(thread);
    Ref status = Ref::steal(PyObject_CallNoArgs(run_.get()));
    long code = status ? PyLong_AsLong(status.get()) : 1;
    if (PyErr_Occurred()) {
      code = 1;
      const PythonError error = take_python_error(attached);
      log().error(405,
                  "a management command ended with an exception; it is started again after a pause",
                  {{"worker", context().worker_name},
                   {"error", error.summary},
                   {"traceback", error.traceback}});
    }
    exit_status_.store(static_cast<int>(code), std::memory_order_release);
  }
  std::lock_guard lock(mutex_);
  running_in_ = nullptr;
}

void CommandProgram::stop() {
  std::lock_guard lock(mutex_);
  if (stopped_.exchange(true)) return;
  if (running_in_ == nullptr) return;
  stopper_ = Thread("cmd-stop", [this, interpreter = running_in_] {
    std::unique_ptr<interp::PythonThread> thread = interp::PythonThread::create(*interpreter);
    interp::Attached attached(*thread);
    Ref module = Ref::steal(PyImport_ImportModule("corral.signals"));
    Ref delivered =
        module ? Ref::steal(PyObject_CallMethod(module.get(), "deliver", "i", SIGTERM)) : Ref();
    if (delivered) return;
    log().error(
        406,
        "a management command could not be asked to stop; it is abandoned when the grace is over",
        {{"worker", context().worker_name}, {"error", take_python_error(attached).summary}});
  });
}

void CommandProgram::unload(interp::Attached& attached) {
  {
    interp::Detached detached(attached);  // the stopper needs this interpreter to finish
    std::lock_guard lock(mutex_);
    if (stopper_.joinable()) stopper_.join();
  }
  run_.reset();
  ProgramBase::unload(attached);
}

}  // namespace corral::gateway
