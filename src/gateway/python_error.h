// Python exceptions end here: turned once into text, and cleared. All functions want an exception
// set and leave none.
#pragma once

#include <string>

#include "interp/interpreter.h"

namespace corral::gateway {

// "module.Type: message", one line, for a log record.
struct PythonError {
  std::string summary;
  std::string traceback;  // as Python prints it; empty when it could not be formatted
};
PythonError take_python_error(interp::Attached& attached);

// The line for the operator that corral.failures.describe() makes of a failed boot.
std::string take_boot_failure(interp::Attached& attached);

}  // namespace corral::gateway
