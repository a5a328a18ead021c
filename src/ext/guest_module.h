// The definition of corral._guest, the module inside every interpreter.
#pragma once

#include <Python.h>

namespace corral::ext {

// Plain data shared by all interpreters; each makes its own module from it. Call once in the main
// interpreter first.
PyModuleDef* guest_definition();

}  // namespace corral::ext
