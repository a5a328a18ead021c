#include "base/thread.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "base/limits.h"

namespace corral {
namespace {

constexpr std::size_t kNameBytesMax = 15;  // the kernel's, without the final zero

// Faults are raised by the thread's own instruction; blocking them would turn a crash into a silent
// kill.
sigset_t steerable_signals() {
  sigset_t set;
  sigfillset(&set);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP}) {
    sigdelset(&set, fault);
  }
  return set;
}

struct Start {
  std::string name;
  std::function<void()> body;
};

void* run_body(void* given) {
  const std::unique_ptr<Start> start(static_cast<Start*>(given));
  pthread_setname_np(pthread_self(), start->name.c_str());
  start->body();
  return nullptr;
}

}  // namespace

void block_signals() {
  const sigset_t set = steerable_signals();
  pthread_sigmask(SIG_SETMASK, &set, nullptr);
}

void unblock_inherited_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kSteeringSignals) sigaddset(&set, signal);
  for (int signal : {SIGCHLD, SIGPIPE}) sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void disarm_steering_signals() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  for (int signal : kSteeringSignals) sigaction(signal, &action, nullptr);
}

Thread::Thread(std::string name, std::function<void()> body) {
  if (name.size() > kNameBytesMax) name.resize(kNameBytesMax);
  auto start = std::make_unique<Start>(Start{std::move(name), std::move(body)});
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kThreadStackBytes);
  // The new thread inherits the mask, so there is no moment in which it could take a signal.
  const sigset_t blocked = steerable_signals();
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  const int error = pthread_create(&handle_, &attributes, run_body, start.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) std::fprintf(stderr, "corral: no new thread: %s\n", std::strerror(error));
  CORRAL_CHECK(
      error == 0,
      "the system refuses a thread; raise the task limit (ulimit -u, TasksMax=, pids cgroup)");
  start.release();  // the thread owns it now
  joinable_ = true;
}

void Thread::join() {
  CORRAL_CHECK(joinable_, "join() of a thread that is not running");
  pthread_join(handle_, nullptr);
  joinable_ = false;
}

void Thread::detach() {
  CORRAL_CHECK(joinable_, "detach() of a thread that is not running");
  pthread_detach(handle_);
  joinable_ = false;
}

}  // namespace corral
