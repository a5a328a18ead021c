#include "gateway/early_hints.h"

namespace corral::gateway {
namespace {

thread_local ResponseControl* answered = nullptr;

PyObject* call(PyObject*, PyObject* headers) {
  if (answered == nullptr) {
    PyErr_SetString(PyExc_RuntimeError,
                    "wsgi.early_hints is for the thread that answers the request, while it does");
    return nullptr;
  }
  if (!answered->send_hints(headers)) return nullptr;
  Py_RETURN_NONE;
}

PyMethodDef method = {"early_hints", call, METH_O,
                      "early_hints(headers)\n\nSends a 103 with these (name, value) tuples now; "
                      "nothing to a client of HTTP/1.0."};

}  // namespace

AnsweringScope::AnsweringScope(ResponseControl& control) { answered = &control; }
AnsweringScope::~AnsweringScope() { answered = nullptr; }

interp::Ref make_early_hints(interp::Attached&) {
  return interp::Ref::steal(PyCFunction_New(&method, nullptr));
}

}  // namespace corral::gateway
