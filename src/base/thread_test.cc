#include "base/thread.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>

#include "base/limits.h"

namespace corral {
namespace {

std::string own_name() {
  std::array<char, 64> name{};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  return name.data();
}

TEST(Thread, RunsItsBodyAndJoins) {
  std::atomic<int> ran{0};
  Thread thread("worker", [&] { ran = 1; });
  EXPECT_TRUE(thread.joinable());
  thread.join();
  EXPECT_FALSE(thread.joinable());
  EXPECT_EQ(ran, 1);
}

TEST(Thread, NameIsCutToWhatTheKernelKeeps) {
  std::string name;
  Thread thread("web.12.3-and-much-more", [&] { name = own_name(); });
  thread.join();
  EXPECT_EQ(name, "web.12.3-and-mu");
}

TEST(Thread, HasTheStackPythonNeeds) {
  std::size_t bytes = 0;
  Thread thread("stack", [&] {
    pthread_attr_t attributes;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &bytes);
    pthread_attr_destroy(&attributes);
  });
  thread.join();
  EXPECT_GE(bytes, kThreadStackBytes);
}

TEST(Thread, TakesNoSignalsButFaults) {
  sigset_t mask;
  Thread thread("mask", [&] { pthread_sigmask(SIG_SETMASK, nullptr, &mask); });
  thread.join();
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE, SIGUSR1, SIGALRM, SIGPROF}) {
    EXPECT_EQ(sigismember(&mask, signal), 1) << signal;
  }
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP}) {
    EXPECT_EQ(sigismember(&mask, fault), 0) << fault;
  }
}

TEST(Thread, MakerKeepsItsOwnMask) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  Thread thread("maker", [] {});
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  thread.join();
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    EXPECT_EQ(sigismember(&before, signal), sigismember(&after, signal)) << signal;
  }
}

TEST(Thread, MovesItsOwnership) {
  std::atomic<int> ran{0};
  Thread first("move", [&] { ++ran; });
  Thread second(std::move(first));
  EXPECT_FALSE(first.joinable());  // NOLINT: moved from on purpose
  Thread third;
  third = std::move(second);
  third.join();
  EXPECT_EQ(ran, 1);
}

// A process that has disarmed the signals survives them, and a program it starts from a Thread is
// killed by them as usual.
TEST(Thread, DisarmedSignalsDoNotReachTheProcessButDoReachItsPrograms) {
  const pid_t process = fork();
  ASSERT_GE(process, 0);
  if (process == 0) {
    block_signals();
    disarm_steering_signals();
    int status = -1;
    Thread thread("user", [&] {
      unblock_inherited_signals();
      kill(getpid(), SIGALRM);
      kill(getpid(), SIGTERM);
      kill(getpid(), SIGINT);
      const pid_t program = vfork();
      if (program == 0) {
        execl("/bin/sh", "sh", "-c", "kill -TERM $$; exit 7", nullptr);
        _exit(8);
      }
      waitpid(program, &status, 0);
    });
    thread.join();
    _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 0 : 9);
  }
  int status = 0;
  ASSERT_EQ(waitpid(process, &status, 0), process);
  EXPECT_TRUE(WIFEXITED(status)) << "died by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace corral
