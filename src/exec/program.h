// What a worker runs: the seam between exec (threads, interpreters, life) and gateway (calls into
// Python).
#pragma once

#include <memory>

#include "base/result.h"
#include "exec/post.h"
#include "interp/interpreter.h"

namespace corral::exec {

enum class Loaded {
  ready,
  not_needed,  // the site has no use for this group: an optional one, and no Corral task backend
};

// One per worker, made before its threads. `load` runs on the worker's first thread; `run` on every
// thread, detached, and returns when the group is drained or its post is relieved; `unload` last,
// when all have left.
class Program {
 public:
  virtual ~Program() = default;

  // Imports the application. The Error is one line for the operator.
  virtual Result<Loaded> load(interp::Attached& attached) = 0;

  // Called once by each further thread before its run().
  virtual void enter_thread(interp::Attached& attached) = 0;

  // What one more thread is watched by; null where nothing has a time limit. Any thread.
  virtual std::unique_ptr<Post> make_post() { return nullptr; }

  // `post` is the one made for this thread.
  virtual void run(interp::PythonThread& thread, Post* post) = 0;

  // From any thread, detached: make run() return soon. Most programs see their queue close and need
  // nothing here.
  virtual void stop() {}

  // Drops every Python object the program holds.
  virtual void unload(interp::Attached& attached) = 0;
};

}  // namespace corral::exec
