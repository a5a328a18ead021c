// corral._guest: what user code inside a worker can ask of the engine. It cannot be imported
// anywhere else.
#include "ext/guest_module.h"

#include "gateway/guest.h"

namespace corral::ext {
namespace {

PyObject* wake_keeper(PyObject* module, PyObject*) {
  const gateway::Host* host = gateway::guest_state(module)->host;
  return PyBool_FromLong(host != nullptr && host->wake_keeper());
}

PyObject* wake_for_cancelled(PyObject* module, PyObject*) {
  const gateway::Host* host = gateway::guest_state(module)->host;
  if (host != nullptr) host->wake_for_cancelled();
  Py_RETURN_NONE;
}

PyObject* worker_name(PyObject* module, PyObject*) {
  const std::string* name = gateway::guest_state(module)->worker_name;
  return PyUnicode_FromString(name == nullptr ? "" : name->c_str());
}

PyObject* interrupt(PyObject*, PyObject* arguments) {
  unsigned long ident = 0;
  PyObject* type = nullptr;
  if (!PyArg_ParseTuple(arguments, "kO:interrupt", &ident, &type)) return nullptr;
  if (type != Py_None && !PyExceptionClass_Check(type)) {
    PyErr_SetString(
        PyExc_TypeError,
        "interrupt() takes a thread identity and an exception class, or None to take it back");
    return nullptr;
  }
  return PyLong_FromLong(PyThreadState_SetAsyncExc(ident, type == Py_None ? nullptr : type));
}

PyMethodDef methods[] = {
    {"wake_keeper", wake_keeper, METH_NOARGS,
     "wake_keeper() -> bool\n\nTells this node's keeper that a commit wrote jobs; False when there "
     "is none. Any thread;\nnever blocks."},
    {"wake_for_cancelled", wake_for_cancelled, METH_NOARGS,
     "wake_for_cancelled()\n\nTells the keeper that a commit cancelled jobs. As wake_keeper()."},
    {"worker_name", worker_name, METH_NOARGS, "worker_name() -> str, such as 'web.1'."},
    {"interrupt", interrupt, METH_VARARGS,
     "interrupt(thread_ident, exception_class) -> int\n\nRaises the exception in that thread of "
     "this interpreter at its next\n"
     "bytecode; None takes it back. Returns the number of threads found: 0 or 1."},
    {nullptr, nullptr, 0, nullptr}};

PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(gateway::init_guest_state)},
                            {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
                            {Py_mod_gil, Py_MOD_GIL_NOT_USED},
                            {0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "corral._guest",
                          "What code inside a Corral worker can ask of the engine.",
                          sizeof(gateway::GuestState),
                          methods,
                          slots,
                          gateway::traverse_guest_state,
                          gateway::clear_guest_state,
                          gateway::free_guest_state};

}  // namespace

PyModuleDef* guest_definition() {
  PyModuleDef_Init(&definition);
  return &definition;
}

}  // namespace corral::ext
