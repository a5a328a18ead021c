// Interpreters, threads inside them, and being inside: the border of the runtime.
//
//   Interpreter    one Python interpreter: a sub-interpreter with its own GIL, or the main one
//   PythonThread   this OS thread's state in one interpreter; made, used and ended on this thread
//   Attached       a stack object: while it lives, this thread is inside. What touches Python
//                  takes it as its first parameter
//
// Rules (docs/threads.md; CPython's own reasons in `research` of the design): a thread state never
// moves between OS threads; nobody waits for another interpreter while attached; the main
// interpreter's GIL is free while the engine runs, because creating a sub-interpreter or importing
// a C module in one needs it.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"

struct _ts;
struct _is;

namespace corral::interp {

class Attached;
class PythonThread;
class Ref;

enum class Placement {
  sub_interpreter,  // own GIL, own allocator, strict check of extension modules
  main,             // the process's main interpreter, for `process` isolation
};

class Interpreter {
 public:
  // Makes an interpreter and this thread's first PythonThread in it. Call it on the thread that
  // will end it, detached.
  static Result<std::unique_ptr<Interpreter>> create(Placement placement,
                                                     std::unique_ptr<PythonThread>& first_thread);

  ~Interpreter();  // requires end() to have been called, or the process to be about to _exit

  // Ends it: every other PythonThread must be gone. Waits for Python's own non-daemon threads,
  // without a limit, so the caller is a thread that somebody else watches. For Placement::main it
  // waits for them and ends `first_thread`; the interpreter ends with the process.
  void end(std::unique_ptr<PythonThread> first_thread);

  std::int64_t id() const { return id_; }
  Placement placement() const { return placement_; }

 private:
  friend class PythonThread;
  Interpreter(Placement placement, _is* state, std::int64_t id)
      : placement_(placement), state_(state), id_(id) {}

  const Placement placement_;
  _is* state_;
  const std::int64_t id_;
};

// Number of interpreters this process has made and not ended, for leak checks.
int count_live_interpreters();

class PythonThread {
 public:
  // A new thread state for the calling thread. Detached on return.
  static std::unique_ptr<PythonThread> create(Interpreter& interpreter);
  // Ends the thread state. On the same thread, detached.
  ~PythonThread();

  Interpreter& interpreter() const { return *interpreter_; }
  // Python's identity of this thread (threading.get_ident()), for interrupts.
  unsigned long ident() const { return ident_; }

 private:
  friend class Attached;
  friend class Detached;
  friend class Interpreter;
  friend Ref current_frame(Attached& attached, const PythonThread& thread);
  PythonThread(Interpreter& interpreter, _ts* state);

  Interpreter* interpreter_;
  _ts* state_;
  unsigned long ident_;
  unsigned long os_thread_;  // asserted at every attach
};

class Attached {
 public:
  // Takes the interpreter's GIL. A thread attaches to one interpreter at a time.
  explicit Attached(PythonThread& thread);
  ~Attached();
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

  PythonThread& thread() const { return *thread_; }

 private:
  friend class Detached;
  PythonThread* thread_;
};

// The inverse, nested in an Attached: gives the GIL up for its scope, to wait or to write.
class Detached {
 public:
  explicit Detached(Attached& attached);
  ~Detached();
  Detached(const Detached&) = delete;
  Detached& operator=(const Detached&) = delete;

 private:
  Attached* attached_;
};

}  // namespace corral::interp
