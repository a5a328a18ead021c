// What a thread is executing, for a record: like the traceback of an exception, innermost call
// last.
//
// In two steps, since the thread moves on as soon as Python code runs here: look_at_stack() runs
// none, format_stack() does.
#pragma once

#include <string>
#include <vector>

#include "interp/interpreter.h"
#include "interp/reference.h"

namespace corral::gateway {

struct StackLine {
  interp::Ref file;
  interp::Ref function;
  int line = 0;
};

// The innermost calls; both leave no exception set.
std::vector<StackLine> look_at_stack(interp::Attached& attached,
                                     const interp::PythonThread& thread);
std::string format_stack(interp::Attached& attached, const std::vector<StackLine>& lines);

}  // namespace corral::gateway
