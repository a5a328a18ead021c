#include "gateway/start_response.h"

#include <cstddef>

namespace corral::gateway {
namespace {

using interp::Ref;

struct StartResponse {
  PyObject_HEAD vectorcallfunc vectorcall;
  ResponseControl* control;  // null once the request is over
};

StartResponse* as_start_response(PyObject* self) { return reinterpret_cast<StartResponse*>(self); }

// start_response(status, headers, exc_info=None) by position or keyword, or write(data).
PyObject* call(PyObject* self, PyObject* const* arguments, std::size_t count_and_flag,
               PyObject* keywords) {
  ResponseControl* control = as_start_response(self)->control;
  if (control == nullptr) {
    PyErr_SetString(PyExc_RuntimeError,
                    "the request is over: start_response and write can no longer be called");
    return nullptr;
  }
  const Py_ssize_t count = PyVectorcall_NARGS(count_and_flag);
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  if (count == 1 && named == 0) {
    if (!control->write(arguments[0])) return nullptr;
    Py_RETURN_NONE;
  }
  PyObject* exc_info = count == 3 ? arguments[2] : nullptr;
  if (named == 1 && count == 2 &&
      PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(keywords, 0), "exc_info")) {
    exc_info = arguments[2];
  } else if (named != 0 || count < 2 || count > 3) {
    PyErr_SetString(PyExc_TypeError,
                    "start_response(status, headers, exc_info=None) takes two or three arguments");
    return nullptr;
  }
  if (exc_info == Py_None) exc_info = nullptr;
  if (!control->start(arguments[0], arguments[1], exc_info)) return nullptr;
  return Py_NewRef(self);
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef members[] = {{"__vectorcalloffset__", Py_T_PYSSIZET,
                          offsetof(StartResponse, vectorcall), Py_READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};

PyType_Slot slots[] = {
    {Py_tp_doc,
     const_cast<char*>("start_response(status, headers, exc_info=None) -> write (PEP 3333)")},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_members, members},
    {0, nullptr}};

PyType_Spec spec = {"corral._guest.StartResponse", sizeof(StartResponse), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
                        Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
                    slots};

}  // namespace

PyTypeObject* make_start_response_type(PyObject* module) {
  return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

Ref make_start_response(interp::Attached&, const GuestState& state, ResponseControl& control) {
  Ref object = Ref::steal(state.start_response_type->tp_alloc(state.start_response_type, 0));
  if (!object) return object;
  as_start_response(object.get())->vectorcall = call;
  as_start_response(object.get())->control = &control;
  return object;
}

void cut_loose(PyObject* start_response) { as_start_response(start_response)->control = nullptr; }

}  // namespace corral::gateway
