// The start_response callable given to a WSGI application, and the write callable it returns (PEP
// 3333).
//
// One object serves as both: called with two or three arguments it starts the response, called with
// one it writes. It points to the WsgiCall on the worker thread's stack and is cut loose from it
// before that goes; a later call raises.
#pragma once

#include <Python.h>

#include "gateway/guest.h"
#include "interp/reference.h"

namespace corral::gateway {

// The response of one request, as far as user code may drive it. Attached to the interpreter in
// every call.
class ResponseControl {
 public:
  // All: false with a Python exception set.
  virtual bool start(PyObject* status, PyObject* headers, PyObject* exc_info) = 0;
  virtual bool write(PyObject* bytes) = 0;
  virtual bool send_hints(PyObject* headers) = 0;

 protected:
  ~ResponseControl() = default;
};

PyTypeObject* make_start_response_type(PyObject* module);
interp::Ref make_start_response(interp::Attached& attached, const GuestState& state,
                                ResponseControl& control);
void cut_loose(PyObject* start_response);

}  // namespace corral::gateway
