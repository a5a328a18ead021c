#include "gateway/wsgi_program.h"

#include "gateway/wsgi_call.h"

namespace corral::gateway {

bool WsgiProgram::load_application(interp::Attached& attached, exec::Loaded&) {
  application_ = call_loader(attached, "corral.web");
  return application_ && environs_.prepare(attached, guest(), options_.environ);
}

// Stays inside the interpreter while requests are waiting; goes out to wait.
void WsgiProgram::run(interp::PythonThread& thread, exec::Post*) {
  while (auto taken = requests_.take()) {
    interp::Attached attached(thread);
    const auto gil = options_.environ.multithread ? WsgiCall::Gil::shared : WsgiCall::Gil::own;
    WsgiCall call(attached, guest(), environs_, application_.get(), gil, log());
    do {
      serve(attached, call, std::move(*taken));
      taken = requests_.try_take();
    } while (taken);
  }
}

void WsgiProgram::serve(interp::Attached& attached, WsgiCall& call,
                        http::Polling::Queue::Taken taken) {
  if (taken.item.is_stale(taken.waited_ms)) {
    interp::Detached detached(attached);
    return taken.item.turn_away(taken.waited_ms);
  }
  call.run(std::move(taken.item));
}

void WsgiProgram::unload(interp::Attached& attached) {
  application_.reset();
  environs_.clear(attached);
  ProgramBase::unload(attached);
}

}  // namespace corral::gateway
