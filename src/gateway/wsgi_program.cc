#include "gateway/wsgi_program.h"

#include <Python.h>

#include "gateway/wsgi_call.h"

namespace corral::gateway {

using interp::Ref;

bool WsgiProgram::load_application(interp::Attached& attached, exec::Loaded&) {
  application_ = call_loader(attached, "corral.web");
  if (!application_ || !environs_.prepare(attached, guest(), options_.environ)) return false;
  Ref exceptions = Ref::steal(PyImport_ImportModule("corral.exceptions"));
  if (!exceptions) return false;
  interruption_ = Ref::steal(PyObject_GetAttrString(exceptions.get(), "RequestTimeout"));
  return static_cast<bool>(interruption_);
}

std::unique_ptr<exec::Post> WsgiProgram::make_post() {
  return std::make_unique<RequestPost>(log(), interruption_);
}

// Stays inside the interpreter while requests are waiting; goes out to wait. A request has begun
// before its thread is inside: somebody may keep the GIL for ever.
void WsgiProgram::run(interp::PythonThread& thread, exec::Post* given) {
  auto& post = static_cast<RequestPost&>(*given);
  while (auto taken = requests_.take(post.relieved())) {
    post.begin(std::move(taken->item));
    interp::Attached attached(thread);
    const auto gil = options_.environ.multithread ? WsgiCall::Gil::shared : WsgiCall::Gil::own;
    WsgiCall call(attached, guest(), environs_, application_.get(), post, gil, log());
    for (;;) {
      serve(attached, call, post, taken->waited_ms);
      if (post.is_relieved() || !(taken = requests_.try_take())) break;
      post.begin(std::move(taken->item));
    }
  }
}

void WsgiProgram::serve(interp::Attached& attached, WsgiCall& call, RequestPost& post,
                        Milliseconds waited_ms) {
  if (post.hold()) {
    if (post.exchange().is_stale(waited_ms)) {
      interp::Detached detached(attached);
      post.exchange().turn_away(waited_ms);
    } else {
      call.run();
    }
  }
  post.end(attached);
}

void WsgiProgram::unload(interp::Attached& attached) {
  application_.reset();
  interruption_.reset();
  environs_.clear(attached);
  ProgramBase::unload(attached);
}

}  // namespace corral::gateway
