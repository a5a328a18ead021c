#include "gateway/guest.h"

#include "gateway/file_wrapper.h"
#include "gateway/input.h"
#include "gateway/start_response.h"

namespace corral::gateway {

using interp::Ref;

int init_guest_state(PyObject* module) {
  GuestState* state = guest_state(module);
  state->input_type = make_input_type(module);
  state->start_response_type = make_start_response_type(module);
  state->file_wrapper_type = make_file_wrapper_type(module);
  state->close_name = PyUnicode_InternFromString("close");
  if (!state->close_name || !state->input_type || !state->start_response_type ||
      !state->file_wrapper_type)
    return -1;
  return PyModule_AddType(module, state->file_wrapper_type);
}

int traverse_guest_state(PyObject* module, visitproc visit, void* arg) {
  GuestState* state = guest_state(module);
  if (state == nullptr) return 0;
  Py_VISIT(state->input_type);
  Py_VISIT(state->start_response_type);
  Py_VISIT(state->file_wrapper_type);
  Py_VISIT(state->close_name);
  return 0;
}

int clear_guest_state(PyObject* module) {
  GuestState* state = guest_state(module);
  if (state == nullptr) return 0;
  Py_CLEAR(state->input_type);
  Py_CLEAR(state->start_response_type);
  Py_CLEAR(state->file_wrapper_type);
  Py_CLEAR(state->close_name);
  return 0;
}

void free_guest_state(void* module) {
  clear_guest_state(static_cast<PyObject*>(module));
  GuestState* state = guest_state(static_cast<PyObject*>(module));
  if (state == nullptr) return;
  delete state->worker_name;
  state->worker_name = nullptr;
}

Ref install_guest(interp::Attached&, PyModuleDef* definition, const Host& host,
                  const std::string& worker_name) {
  Ref machinery = Ref::steal(PyImport_ImportModule("importlib.machinery"));
  if (!machinery) return {};
  Ref spec = Ref::steal(
      PyObject_CallMethod(machinery.get(), "ModuleSpec", "sO", "corral._guest", Py_None));
  if (!spec) return {};
  Ref module = Ref::steal(PyModule_FromDefAndSpec(definition, spec.get()));
  if (!module || PyModule_ExecDef(module.get(), definition) != 0) return {};
  GuestState* state = guest_state(module.get());
  state->host = &host;
  state->worker_name = new std::string(worker_name);
  PyObject* modules = PyImport_GetModuleDict();
  if (PyDict_SetItemString(modules, "corral._guest", module.get()) != 0) return {};
  Ref package = Ref::steal(PyImport_ImportModule("corral"));
  if (!package || PyObject_SetAttrString(package.get(), "_guest", module.get()) != 0) return {};
  return module;
}

}  // namespace corral::gateway
