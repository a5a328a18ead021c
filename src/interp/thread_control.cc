#include "interp/thread_control.h"

#include "base/check.h"

namespace corral::interp {

Ref current_frame(Attached& attached, const PythonThread& thread) {
  CORRAL_CHECK(&attached.thread().interpreter() == &thread.interpreter(),
               "only threads of the interpreter we are in can be looked at");
  return Ref::steal(reinterpret_cast<PyObject*>(PyThreadState_GetFrame(thread.state_)));
}

void interrupt(Attached& attached, const PythonThread& thread, PyObject* exception) {
  CORRAL_CHECK(&attached.thread().interpreter() == &thread.interpreter(),
               "only threads of the interpreter we are in can be interrupted");
  PyThreadState_SetAsyncExc(thread.ident(), exception);
}

void clear_interrupt(Attached& attached) {
  PyThreadState_SetAsyncExc(attached.thread().ident(), nullptr);
}

}  // namespace corral::interp
