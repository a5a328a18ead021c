#include "gateway/task_watch.h"

#include <Python.h>

#include <string>

namespace corral::gateway {
namespace {

using interp::Ref;

constexpr const char* kCapsule = "corral.gateway.TaskPost";

TaskPost* post_of(PyObject* capsule) {
  return static_cast<TaskPost*>(PyCapsule_GetPointer(capsule, kCapsule));
}

PyObject* limit(PyObject* capsule, PyObject* arguments) {
  TaskPost* post = post_of(capsule);
  long long time_max_ms = 0;
  int status = 0;
  const char* head = nullptr;
  Py_ssize_t size = 0;
  if (post == nullptr ||
      !PyArg_ParseTuple(arguments, "Liy#:limit", &time_max_ms, &status, &head, &size))
    return nullptr;
  post->limit(time_max_ms, job_status(status), std::string(head, static_cast<std::size_t>(size)));
  Py_RETURN_NONE;
}

PyObject* hold(PyObject* capsule, PyObject*) {
  TaskPost* post = post_of(capsule);
  if (post == nullptr) return nullptr;
  return PyBool_FromLong(post->settle() ? 1 : 0);
}

PyObject* is_cancelled(PyObject* capsule, PyObject*) {
  const TaskPost* post = post_of(capsule);
  if (post == nullptr) return nullptr;
  return PyBool_FromLong(post->was_cancelled() ? 1 : 0);
}

PyMethodDef limit_method = {"limit", limit, METH_VARARGS, "runner.Watch.limit"};
PyMethodDef hold_method = {"hold", hold, METH_NOARGS, "runner.Watch.hold"};
PyMethodDef cancelled_method = {"is_cancelled", is_cancelled, METH_NOARGS,
                                "runner.Watch.is_cancelled"};

}  // namespace

tasks::JobStatus job_status(int number) {
  switch (number) {
    case 1:
      return tasks::JobStatus::successful;
    case 2:
      return tasks::JobStatus::retry;
    default:
      return tasks::JobStatus::failed;
  }
}

Ref make_task_watch(interp::Attached&, TaskPost& post) {
  Ref capsule = Ref::steal(PyCapsule_New(&post, kCapsule, nullptr));
  if (!capsule) return {};
  Ref limits = Ref::steal(PyCFunction_New(&limit_method, capsule.get()));
  Ref holds = Ref::steal(PyCFunction_New(&hold_method, capsule.get()));
  Ref cancels = Ref::steal(PyCFunction_New(&cancelled_method, capsule.get()));
  Ref types = Ref::steal(PyImport_ImportModule("types"));
  Ref space = types ? Ref::steal(PyObject_GetAttrString(types.get(), "SimpleNamespace")) : Ref();
  Ref empty = Ref::steal(PyTuple_New(0));
  if (!limits || !holds || !cancels || !space || !empty) return {};
  Ref named = Ref::steal(Py_BuildValue("{sOsOsO}", "limit", limits.get(), "hold", holds.get(),
                                       "is_cancelled", cancels.get()));
  return named ? Ref::steal(PyObject_Call(space.get(), empty.get(), named.get())) : Ref();
}

}  // namespace corral::gateway
