// wsgi.input: a request's body, complete before the application is called (PEP 3333, "Input and
// Error Streams").
#pragma once

#include <Python.h>

#include "gateway/guest.h"
#include "http/request.h"
#include "interp/reference.h"

namespace corral::gateway {

// read([size]), readline([size]), readlines([hint]), iteration; a size of -1 or None means all that
// is left.
PyTypeObject* make_input_type(PyObject* module);

// Takes the body over, so that an application may keep the stream after its request.
interp::Ref make_input(interp::Attached& attached, const GuestState& state, http::Body&& body);

}  // namespace corral::gateway
