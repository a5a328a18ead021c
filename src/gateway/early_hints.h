// environ["wsgi.early_hints"]: called with a list of (name, value) before the response begins, it
// sends them at once in a 103 (RFC 8297), as gunicorn's of the same name does.
//
// One callable serves all requests: it finds the one that the calling thread answers, so that a
// request which does not use it pays nothing for it.
#pragma once

#include <Python.h>

#include "gateway/start_response.h"

namespace corral::gateway {

// While it lives, what the calling thread answers.
class AnsweringScope {
 public:
  explicit AnsweringScope(ResponseControl& control);
  ~AnsweringScope();
  AnsweringScope(const AnsweringScope&) = delete;
  AnsweringScope& operator=(const AnsweringScope&) = delete;
};

interp::Ref make_early_hints(interp::Attached& attached);

}  // namespace corral::gateway
