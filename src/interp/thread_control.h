// Reaching from one thread of an interpreter into another: what it executes, and breaking it off.
//
// The caller is attached, so the other thread is not executing Python meanwhile; it is either
// waiting for its turn or in a C call that gave the GIL up. What is true of it stays true until the
// caller runs Python code or detaches.
#pragma once

#include "interp/interpreter.h"
#include "interp/reference.h"

namespace corral::interp {

// The frame that `thread` is executing; null when it is in no Python code. Errors leave none set.
Ref current_frame(Attached& attached, const PythonThread& thread);

// Raises `exception`, a class, in `thread` as soon as that executes bytecode again: at once in a
// Python loop, after the call in C code. A second interrupt before that replaces the first.
void interrupt(Attached& attached, const PythonThread& thread, PyObject* exception);

// On the thread itself: an interrupt that has not been raised yet never will be.
void clear_interrupt(Attached& attached);

}  // namespace corral::interp
