#include "supervisor/supervisor.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/thread.h"
#include "supervisor/node_for_test.h"

namespace corral::supervisor {
namespace {

// A path that nothing has made yet, removed in the end.
class TestPath {
 public:
  explicit TestPath(const std::string& name)
      : text_("/tmp/corral-supervisor-" + std::to_string(getpid()) + "-" + name) {
    unlink(text_.c_str());
  }
  ~TestPath() { unlink(text_.c_str()); }
  const char* c_str() const { return text_.c_str(); }
  const std::string& text() const { return text_; }
  void make_file() const { Fd(::open(c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); }
  void make_fifo() const { ASSERT_EQ(mkfifo(c_str(), 0600), 0); }
  // Lets whoever waits in open() of the FIFO go on; waits until somebody does.
  void let_through() const { Fd(::open(c_str(), O_WRONLY | O_CLOEXEC)); }
  void remove() const { unlink(c_str()); }

 private:
  std::string text_;
};

std::string expect_line(Node& node, std::string_view part, int from = 0) {
  const int index = node.log.wait_for(part, from);
  EXPECT_GE(index, 0) << "no line with " << part << "\n" << node.log.all();
  return index < 0 ? "" : node.log[index];
}

TEST(Supervisor, ServesWhenAllAreReadyAndDrainsOnSigterm) {
  Node node;
  node.plan.grace_ms = 4'321;
  node.add("engine", "ready");
  node.add("web", "note=loaded", 2);
  node.start();
  const std::string line = expect_line(node, "listening on");
  EXPECT_NE(line.find("listening on http://127.0.0.1:8000, unix:/run/x.sock"), std::string::npos)
      << line;
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait_exit(), 0);
  EXPECT_EQ(node.log.count("listening on"), 1);
  EXPECT_EQ(node.log.count("\"message\":\"loaded\",\"process\":\"web.0\""), 1);
  EXPECT_EQ(node.log.count("\"message\":\"loaded\",\"process\":\"web.1\""), 1);
  EXPECT_EQ(node.log.count("\"message\":\"stopped\",\"exit_code\":0"), 1);
  EXPECT_EQ(node.log.count("CORRAL-"), 0) << node.log.all();
  EXPECT_EQ(node.events.count(" serve"), 3);
  EXPECT_EQ(node.events.count(" drain 4321"), 3);
}

TEST(Supervisor, NobodyServesBeforeTheLastIsReady) {
  TestPath gate("gate");
  gate.make_fifo();
  Node node;
  node.add("engine", "ready");
  node.add("web", "open=" + gate.text() + " ready");
  node.start();
  node.wait_event("opening");
  EXPECT_EQ(node.events.count("serve"), 0);
  EXPECT_EQ(node.log.count("listening"), 0);
  gate.let_through();
  expect_line(node, "listening on");
  node.signal(SIGINT);
  EXPECT_EQ(node.wait_exit(), 0);
}

TEST(Supervisor, FailedChildStopsTheStartWithItsOwnWords) {
  Node node;
  node.add("engine", "ready");
  node.add("web", "fail=no-module-named-shop", 3);
  node.start();
  EXPECT_EQ(node.wait_exit(), 1);
  EXPECT_EQ(node.log.count("CORRAL-101"), 1) << node.log.all();
  EXPECT_EQ(node.log.count("failed to start: no-module-named-shop"), 1) << node.log.all();
  EXPECT_EQ(node.log.count("\"level\":\"error\""), 1);
  EXPECT_EQ(node.log.count("stopped"), 0);
}

TEST(Supervisor, DeathWhileStartingFailsTheStart) {
  Node crashing;
  crashing.add("engine", "crash");
  crashing.start();
  EXPECT_EQ(crashing.wait_exit(), 1);
  EXPECT_EQ(crashing.log.count("failed to start: engine was killed by SIGSEGV before it was ready"),
            1)
      << crashing.log.all();
  Node leaving;
  leaving.add("engine", "exit=0");
  leaving.start();
  EXPECT_EQ(leaving.wait_exit(), 1);
  EXPECT_EQ(leaving.log.count("failed to start: engine exited with code 0 before it was ready"), 1);
}

TEST(Supervisor, DeathOfOneThatIsReadyFailsTheStartOfTheOthers) {
  TestPath gate("ready-dies");
  gate.make_fifo();
  Node node;
  node.add("engine", "describe note=up");
  node.add("web", "open=" + gate.text());
  node.start();
  const pid_t engine = node.wait_event("fds");
  expect_line(node, "\"message\":\"up\"");
  ::kill(engine, SIGKILL);
  EXPECT_EQ(node.wait_exit(), 1);
  EXPECT_EQ(node.log.count("failed to start: engine was killed by SIGKILL before"), 1)
      << node.log.all();
}

TEST(Supervisor, SlowStartIsAFailedStart) {
  Node node;
  node.plan.boot_max_ms = 100;
  node.add("engine", "deaf");
  node.start();
  EXPECT_EQ(node.wait_exit(), 1);
  EXPECT_EQ(node.log.count("failed to start: engine was not ready within 0.1 s"), 1)
      << node.log.all();
}

TEST(Supervisor, ProgramThatDoesNotExistIsNamed) {
  Node node;
  node.add("engine", "");
  node.plan.processes[0].argv[0] = "/no/such/python";
  node.start();
  EXPECT_EQ(node.wait_exit(), 1);
  EXPECT_EQ(
      node.log.count("failed to start: cannot execute /no/such/python: No such file or directory"),
      1);
}

TEST(Supervisor, PlansThatCannotWorkAreRefused) {
  Node empty;
  empty.start();
  EXPECT_EQ(empty.wait_exit(), 1);
  EXPECT_EQ(empty.log.count("there is nothing to run"), 1);
  Node large;
  large.add("engine", std::string(200'000, ' '));
  large.start();
  EXPECT_EQ(large.wait_exit(), 1);
  EXPECT_EQ(large.log.count("at most 131072 can be passed on"), 1);
}

TEST(Supervisor, LargeConfigurationArrives) {
  Node node;
  node.add("engine", "ready" + std::string(100 * 1024, ' '));
  node.start();
  expect_line(node, "listening on");
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait_exit(), 0);
}

TEST(Supervisor, SignalWhileStartingEndsCleanlyAndQuickly) {
  TestPath gate("boot-signal");
  gate.make_fifo();
  Node node;
  node.add("engine", "ready");
  node.add("web", "open=" + gate.text() + " ready");
  node.start();
  node.wait_event("opening");
  node.signal_group(SIGINT);
  EXPECT_EQ(node.wait_exit(), 0);
  EXPECT_EQ(node.log.count("SIGINT while starting"), 1);
  EXPECT_EQ(node.log.count("listening"), 0);
}

TEST(Supervisor, DeadChildComesBackAlone) {
  Node node;
  node.add("engine", "ready");
  node.add("web", "note=web-up");
  node.start();
  expect_line(node, "listening on");
  const pid_t web = std::atoi(strstr(expect_line(node, "web-up").c_str(), "\"pid\":") + 6);
  node.wait_event(std::to_string(web) + " serve");
  ::kill(web, SIGSEGV);
  const std::string died = expect_line(node, "CORRAL-102");
  EXPECT_NE(died.find("web was killed by SIGSEGV"), std::string::npos) << died;
  EXPECT_NE(died.find("started again now"), std::string::npos) << died;
  expect_line(node, "web serves again");
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait_exit(), 0);
  EXPECT_EQ(node.events.count("serve"), 3) << node.events.all();
  EXPECT_EQ(node.log.count("listening on"), 1);
  EXPECT_EQ(node.log.count("CORRAL-"), 1);
}

TEST(Supervisor, BrokenChildIsTriedWithGrowingPausesUntilItWorks) {
  TestPath flag("flag");
  Node node;
  node.plan.backoff_max_ms = 200;
  node.add("engine", "fail-if=" + flag.text() + " ready");
  node.start();
  expect_line(node, "listening on");
  const pid_t engine = node.wait_event("serve");
  flag.make_file();
  const Milliseconds killed_ms = monotonic_ms();
  ::kill(engine, SIGKILL);
  int line = 0;
  for (const char* pause : {"next try in 100 ms", "next try in 200 ms", "next try in 200 ms"}) {
    line = node.log.wait_for(pause, line) + 1;
    ASSERT_GT(line, 0) << node.log.all();
  }
  EXPECT_GE(monotonic_ms() - killed_ms, 100 + 200);
  EXPECT_GE(node.log.count("engine did not come back: the flag is up"), 3);
  flag.remove();
  expect_line(node, "engine serves again");
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait_exit(), 0);
  EXPECT_EQ(node.log.count("\"code\":\"CORRAL-102\""), 1);
}

TEST(Supervisor, CrashLoopDoesNotSpin) {
  TestPath flag("crash-loop");
  Node node;
  node.plan.backoff_max_ms = 100;
  node.add("engine", "crash-if=" + flag.text() + " ready");
  node.start();
  expect_line(node, "listening on");
  flag.make_file();
  ::kill(node.wait_event("serve"), SIGKILL);
  const Milliseconds start_ms = monotonic_ms();
  for (int line = 0, i = 0; i < 5; ++i) {
    line = node.log.wait_for("next try in 100 ms", line) + 1;
    ASSERT_GT(line, 0) << node.log.all();
  }
  EXPECT_GE(monotonic_ms() - start_ms, 400);
  node.signal(SIGTERM);  // while nothing is alive
  EXPECT_EQ(node.wait_exit(), 0);
}

TEST(Supervisor, StopWhileAChildBootsAgain) {
  TestPath gate("boots-again"), flag("boots-again-flag");
  gate.make_fifo();
  Node node;
  node.add("engine", "open=" + gate.text() + " ready");
  node.start();
  const pid_t first = node.wait_event("opening");
  gate.let_through();
  expect_line(node, "listening on");
  node.wait_event("serve");
  const int seen = node.events.wait_for("serve") + 1;
  ::kill(first, SIGKILL);
  EXPECT_NE(node.wait_event("opening", seen), first);
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait_exit(), 0);
}

TEST(Supervisor, HangingUpAndLivingOnIsDeath) {
  Node node;
  node.plan.boot_max_ms = 300;
  node.add("engine", "hangup");
  node.start();
  EXPECT_EQ(node.wait_exit(), 1);
  EXPECT_EQ(
      node.log.count("engine closed its control channel and went on running, so it was killed"), 1)
      << node.log.all();
}

TEST(Supervisor, CutOffWorkIsExitCode3) {
  for (const char* behaviour : {"ready drain-exit=3", "ready drain-crash"}) {
    Node node;
    node.add("engine", behaviour);
    node.add("web", "ready");
    node.start();
    expect_line(node, "listening on");
    node.signal(SIGTERM);
    EXPECT_EQ(node.wait_exit(), 3) << behaviour;
    EXPECT_EQ(node.log.count("CORRAL-108"), 1) << node.log.all();
  }
}

TEST(Supervisor, GraceOverIsTheEnd) {
  Node node;
  node.plan.grace_ms = 100;
  node.add("engine", "ready drain-hold");
  node.start();
  expect_line(node, "listening on");
  const Milliseconds start_ms = monotonic_ms();
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait_exit(), 3);
  EXPECT_GE(monotonic_ms() - start_ms, 100);
  EXPECT_EQ(node.log.count("engine was not done when the grace of 0.1 s was over"), 1)
      << node.log.all();
}

TEST(Supervisor, CopiesCountOnceAndASecondSignalStopsAtOnce) {
  Node node;
  node.add("engine", "ready drain-hold");
  node.start();
  expect_line(node, "listening on");
  const Milliseconds first_ms = monotonic_ms();
  node.signal_group(SIGINT);
  node.signal(SIGINT);
  node.signal(SIGTERM);
  node.wait_event("drain");
  // From here on the answer depends on time alone: asked every 10 ms, the first yes must not come
  // before 150 ms.
  while (node.log.count("CORRAL-106") == 0 && monotonic_ms() - first_ms < kTooLongMs) {
    node.signal(SIGTERM);
    node.log.catch_up(10);
  }
  EXPECT_GE(monotonic_ms() - first_ms, kRepeatSignalMs);
  EXPECT_EQ(node.wait_exit(), 3);
  EXPECT_EQ(node.log.count("CORRAL-106"), 1) << node.log.all();
  EXPECT_EQ(node.log.count("SIGINT: finishing what runs"), 1);
  EXPECT_EQ(node.events.count("stop"), 1);
}

TEST(Supervisor, StopAtOnceKillsTheDeaf) {
  Node node;
  node.add("engine", "ready deaf");
  node.start();
  expect_line(node, "listening on");
  const Milliseconds start_ms = monotonic_ms();
  node.signal(SIGQUIT);
  EXPECT_EQ(node.wait_exit(), 3);
  EXPECT_LT(monotonic_ms() - start_ms, 5'000);
  EXPECT_EQ(node.log.count("SIGQUIT: stopping at once"), 1);
}

// To the whole group, with one child serving and one still booting: everybody lives on.
TEST(Supervisor, OtherSignalsChangeNothing) {
  TestPath gate("others");
  gate.make_fifo();
  Node node;
  node.add("engine", "open=" + gate.text() + " ready");
  node.start();
  const pid_t first = node.wait_event("opening");
  gate.let_through();
  expect_line(node, "listening on");
  const int seen = node.events.wait_for("serve") + 1;
  ::kill(first, SIGKILL);
  const pid_t second = node.wait_event("opening", seen);
  for (int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU}) {
    node.signal_group(signal);
    expect_line(node, std::string("SIG") + sigabbrev_np(signal) + " has no meaning yet");
  }
  gate.let_through();
  EXPECT_EQ(node.wait_event("serve", seen), second);
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait_exit(), 0);
  EXPECT_EQ(node.log.count("CORRAL-107"), 5);
}

TEST(Supervisor, ChildrenInheritExactlyWhatTheyShould) {
  Fd listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Fd access(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  Fd stray(::open("/dev/null", O_RDONLY));  // as by a library that forgot O_CLOEXEC
  Node node;
  node.plan.listen_fds = {listening.get()};
  node.plan.access_fd = access.get();
  node.add("engine", "describe ready");
  node.start();
  expect_line(node, "listening on");
  const int fds = node.events.wait_for("fds");
  const int ignored = node.events.wait_for("SigIgn");
  const int blocked = node.events.wait_for("SigBlk");
  ASSERT_TRUE(fds >= 0 && ignored >= 0 && blocked >= 0);
  for (int fd : {0, 1, 2, listening.get(), access.get(), node.plan.wake_fd}) {
    const std::string word = " " + std::to_string(fd) + " ";
    EXPECT_NE((node.events[fds] + " ").find(word), std::string::npos)
        << fd << " in " << node.events[fds];
  }
  const std::string& list = node.events[fds];
  EXPECT_EQ(std::count(list.begin(), list.end(), ' '), 1 + 8)
      << list;  // those, the control channel and the scoreboard
  std::uint64_t steering = 0;
  for (int signal : kSteeringSignals) steering |= std::uint64_t{1} << (signal - 1);
  // Signals 32 and 33 belong to the C library: a program that was started with them ignored cannot
  // change that.
  const std::uint64_t all = std::strtoull(strchr(node.events[ignored].c_str(), '\t'), nullptr, 16);
  EXPECT_EQ(all & 0x7fff'ffff, steering);
  EXPECT_EQ(std::strtoull(strchr(node.events[blocked].c_str(), '\t'), nullptr, 16), 0u);
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait_exit(), 0);
}

int connect_to(const sockaddr_in& address) {
  Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0
             ? 0
             : errno;
}

TEST(Supervisor, DrainingEndsTheListeningWithTheChildren) {
  Fd listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listening.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listening.get(), 16), 0);
  getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size);
  Node node;
  node.plan.listen_fds = {listening.get()};
  node.plan.grace_ms = 60'000;
  node.add("engine", "ready drain-hold drain-close=" + std::to_string(listening.get()));
  node.start();
  listening.reset();  // ours; the supervisor and its child hold theirs
  expect_line(node, "listening on");
  EXPECT_EQ(connect_to(address), 0);
  node.signal(SIGTERM);
  const pid_t child = node.wait_event("drain");
  EXPECT_EQ(connect_to(address), ECONNREFUSED);
  ::kill(child, SIGKILL);
  EXPECT_EQ(node.wait_exit(), 3);
}

TEST(Supervisor, KilledSupervisorTakesItsChildrenAlong) {
  Node node;
  node.add("engine", "ready");
  node.add("web", "ready deaf", 2);  // does not read its channel
  node.start();
  expect_line(node, "listening on");
  node.signal(SIGKILL);
  EXPECT_TRUE(node.events.wait_for_end()) << "a child outlived its supervisor";
}

TEST(Supervisor, StrangeChildrenAreBuriedAndMeanNothing) {
  int gate[2];
  ASSERT_EQ(pipe2(gate, O_CLOEXEC), 0);
  int pids[2];
  ASSERT_EQ(pipe2(pids, O_CLOEXEC), 0);
  Node node;
  node.add("engine", "ready");
  node.start([&] {
    const pid_t stranger = fork();
    char byte;
    if (stranger == 0) {
      close(gate[1]);
      _exit(read(gate[0], &byte, 1) == 0 ? 5 : 6);
    }
    if (write(pids[1], &stranger, sizeof stranger) < 0) _exit(94);
    close(gate[1]);
  });
  pid_t stranger = 0;
  ASSERT_EQ(read(pids[0], &stranger, sizeof stranger), static_cast<ssize_t>(sizeof stranger));
  expect_line(node, "listening on");
  ASSERT_EQ(::kill(stranger, 0), 0);
  close(gate[1]);
  const Milliseconds until_ms = monotonic_ms() + kTooLongMs;
  while (::kill(stranger, 0) == 0 && monotonic_ms() < until_ms) sched_yield();
  EXPECT_EQ(::kill(stranger, 0), -1) << "a zombie is left";
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait_exit(), 0);
  EXPECT_EQ(node.log.count("CORRAL-"), 0);
  for (int fd : {gate[0], pids[0], pids[1]}) close(fd);
}

TEST(Supervisor, ADeadChildsSlotIsFreeForTheNext) {
  Node node;
  node.add("web", "slot ready", 2);
  node.start();
  expect_line(node, "listening on");
  const pid_t second = node.wait_event("slot 1 of 2, incarnation 1, was free");
  ASSERT_GT(second, 0);
  node.wait_event("serve");
  ::kill(second, SIGKILL);
  EXPECT_GT(node.wait_event("slot 1 of 2, incarnation 2, was free"), 0);
  EXPECT_EQ(node.events.count("slot 0 of 2, incarnation 1, was free"), 1);
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait_exit(), 0);
}

// A shell that ignores SIGCHLD and blocks signals passes both on; exit codes and children must not
// suffer.
TEST(Supervisor, StrangeInheritanceIsPutRight) {
  Node node;
  node.add("engine", "describe ready drain-exit=3");
  node.start([] {
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    block_signals();
  });
  expect_line(node, "listening on");
  const int blocked = node.events.wait_for("SigBlk");
  ASSERT_GE(blocked, 0);
  EXPECT_EQ(std::strtoull(strchr(node.events[blocked].c_str(), '\t'), nullptr, 16), 0u);
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait_exit(), 3);
}

}  // namespace
}  // namespace corral::supervisor
