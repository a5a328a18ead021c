// A command worker: runs one management command until it ends or is asked to stop.
#pragma once

#include <atomic>
#include <mutex>

#include "base/thread.h"
#include "gateway/program_base.h"

namespace corral::gateway {

class CommandProgram final : public ProgramBase {
 public:
  explicit CommandProgram(ProgramContext context) : ProgramBase(std::move(context)) {}

  void run(interp::PythonThread& thread, exec::Post* post) override;
  // Delivers SIGTERM to the command through the signal shim (corral.signals), on a thread of its
  // own: the command may hold its GIL for a while, and the caller must not wait for that.
  void stop() override;
  void unload(interp::Attached& attached) override;

  // The command's exit status once run() has returned; 0 is a good end.
  int exit_status() const { return exit_status_.load(std::memory_order_acquire); }
  bool was_stopped() const { return stopped_.load(std::memory_order_acquire); }

 private:
  bool load_application(interp::Attached& attached, exec::Loaded& loaded) override;

  interp::Ref run_;
  std::atomic<int> exit_status_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  interp::Interpreter* running_in_ =
      nullptr;      // guarded by mutex_: while run() is inside the command
  Thread stopper_;  // guarded by mutex_
};

}  // namespace corral::gateway
