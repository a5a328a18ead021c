#include "interp/interpreter.h"

#include <Python.h>
#include <pthread.h>

#include <atomic>

#include "base/check.h"
#include "interp/reference.h"

namespace corral::interp {
namespace {

// Not Python state: a plain count, for leak checks.
std::atomic<int> live_interpreters{0};

PyInterpreterConfig own_gil_config() {
  PyInterpreterConfig config{};
  config.use_main_obmalloc = 0;
  config.allow_fork = 0;  // the child of a fork would hold copies of interpreters it cannot run
  config.allow_exec = 0;
  config.allow_threads = 1;
  config.allow_daemon_threads = 1;  // asgiref, sentry-sdk and psycopg_pool start them
  config.check_multi_interp_extensions = 1;
  config.gil = PyInterpreterConfig_OWN_GIL;
  return config;
}

std::string status_text(const PyStatus& status) {
  std::string text = status.func != nullptr ? std::string(status.func) + ": " : std::string();
  return text + (status.err_msg != nullptr ? status.err_msg : "unknown reason");
}

// What ending a sub-interpreter does by itself. The process ends the main interpreter, and would
// wait for its threads then, when nobody watches any more.
void wait_for_python_threads(PythonThread& thread) {
  Attached attached(thread);
  const Ref module = Ref::steal(PyImport_ImportModule("threading"));
  const Ref ended =
      module ? Ref::steal(PyObject_CallMethod(module.get(), "_shutdown", nullptr)) : Ref();
  if (!ended) PyErr_WriteUnraisable(nullptr);
}

}  // namespace

int count_live_interpreters() { return live_interpreters.load(std::memory_order_relaxed); }

Result<std::unique_ptr<Interpreter>> Interpreter::create(
    Placement placement, std::unique_ptr<PythonThread>& first_thread) {
  if (placement == Placement::main) {
    PyInterpreterState* main = PyInterpreterState_Main();
    std::unique_ptr<Interpreter> interpreter(
        new Interpreter(placement, main, PyInterpreterState_GetID(main)));
    first_thread = PythonThread::create(*interpreter);
    return interpreter;
  }
  // Creation is documented to start from an attached thread state; a short-lived one of the main
  // interpreter serves, and is ended before this returns.
  PyThreadState* in_main = PyThreadState_New(PyInterpreterState_Main());
  PyEval_RestoreThread(in_main);
  const PyInterpreterConfig config = own_gil_config();
  PyThreadState* state = nullptr;
  const PyStatus status = Py_NewInterpreterFromConfig(&state, &config);
  if (PyStatus_Exception(status)) {
    PyThreadState_Clear(in_main);
    PyThreadState_DeleteCurrent();
    return Error{"cannot create an interpreter: " + status_text(status)};
  }
  PyInterpreterState* made = PyThreadState_GetInterpreter(state);
  std::unique_ptr<Interpreter> interpreter(
      new Interpreter(placement, made, PyInterpreterState_GetID(made)));
  PyEval_SaveThread();
  PyEval_RestoreThread(in_main);
  PyThreadState_Clear(in_main);
  PyThreadState_DeleteCurrent();
  // The new interpreter's first thread state was made on this thread: it is this thread's.
  first_thread = std::unique_ptr<PythonThread>(new PythonThread(*interpreter, state));
  live_interpreters.fetch_add(1, std::memory_order_relaxed);
  return interpreter;
}

Interpreter::~Interpreter() = default;

void Interpreter::end(std::unique_ptr<PythonThread> first_thread) {
  CORRAL_CHECK(state_ != nullptr, "an interpreter ends once");
  state_ = nullptr;
  if (placement_ == Placement::main) return wait_for_python_threads(*first_thread);
  PyEval_RestoreThread(std::exchange(first_thread->state_, nullptr));
  Py_EndInterpreter(PyThreadState_Get());
  live_interpreters.fetch_sub(1, std::memory_order_relaxed);
}

PythonThread::PythonThread(Interpreter& interpreter, PyThreadState* state)
    : interpreter_(&interpreter),
      state_(state),
      ident_(PyThread_get_thread_ident()),
      os_thread_(static_cast<unsigned long>(pthread_self())) {}

std::unique_ptr<PythonThread> PythonThread::create(Interpreter& interpreter) {
  PyThreadState* state = PyThreadState_New(interpreter.state_);
  CORRAL_CHECK(state != nullptr, "no memory for a thread state");
  return std::unique_ptr<PythonThread>(new PythonThread(interpreter, state));
}

PythonThread::~PythonThread() {
  if (state_ == nullptr) return;  // ended with its interpreter
  CORRAL_CHECK(os_thread_ == static_cast<unsigned long>(pthread_self()),
               "a thread state ends on the thread that made it");
  PyEval_RestoreThread(state_);
  PyThreadState_Clear(state_);
  PyThreadState_DeleteCurrent();
}

Attached::Attached(PythonThread& thread) : thread_(&thread) {
  CORRAL_CHECK(thread.os_thread_ == static_cast<unsigned long>(pthread_self()),
               "a thread state is attached only on the thread that made it");
  PyEval_RestoreThread(thread.state_);
}

Attached::~Attached() { PyEval_SaveThread(); }

Detached::Detached(Attached& attached) : attached_(&attached) { PyEval_SaveThread(); }

Detached::~Detached() { PyEval_RestoreThread(attached_->thread_->state_); }

}  // namespace corral::interp
