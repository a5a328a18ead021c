// Threads with a name, a known stack and no signals: signals belong to the supervisor's loop
// (docs/threads.md).
#pragma once

#include <pthread.h>
#include <signal.h>

#include <exception>
#include <functional>
#include <string>
#include <utility>

namespace corral {

// Blocks every signal a thread could be asked to handle (faults stay deliverable). Call it in a
// process's first thread before any other is made; threads inherit the mask.
void block_signals();

// The signals by which people and service managers steer a program. The supervisor answers them;
// its children never act on a copy of their own.
inline constexpr int kSteeringSignals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                           SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU};

// For a child: gives every steering signal a handler that does nothing. Not SIG_IGN, which exec
// passes on: in a program that the site starts, subprocess.Popen(...).terminate() would then have
// no effect.
void disarm_steering_signals();

// For a thread that runs user code, after disarm_steering_signals(): exec passes a blocked mask on
// as well, so programs started by that code would hear neither the steering signals nor SIGCHLD and
// SIGPIPE. The rest stays blocked: an alarm() of user code must not end the process.
void unblock_inherited_signals();

class Thread {
 public:
  Thread() = default;
  // Starts `body` on a thread of kThreadStackBytes named `name` (15 characters at most are kept).
  Thread(std::string name, std::function<void()> body);
  Thread(Thread&& other) noexcept { *this = std::move(other); }
  Thread& operator=(Thread&& other) noexcept {
    if (joinable_) std::terminate();
    handle_ = other.handle_;
    joinable_ = std::exchange(other.joinable_, false);
    return *this;
  }
  ~Thread() {
    if (joinable_) std::terminate();
  }

  bool joinable() const { return joinable_; }
  void join();
  void detach();  // for a thread that is abandoned: it may run on until the process ends

 private:
  pthread_t handle_{};
  bool joinable_ = false;
};

}  // namespace corral
