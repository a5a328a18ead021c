// The engine: builds the objects in order, boots, serves, drains, ends. Everything is wired here
// and nowhere else.
//
//   booting --every worker READY--> serving --drain, or supervisor gone--> draining --> ended
//      |                                                                      |
//      +-- a worker failed: `failed` with its line, exit 1                    |
//                                              grace over, or `stop`: _exit(3)+
//
// run() is called on the process's first thread, detached from the main interpreter, which stays
// parked in it. Sources: boot.cc (building and booting), engine.cc (serving), renew.cc (web workers
// that cannot be helped), drain.cc (the way down).
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/thread.h"
#include "control/channel.h"
#include "control/scoreboard.h"
#include "dispatch/queue.h"
#include "engine/config.h"
#include "engine/job_store.h"
#include "exec/watch.h"
#include "exec/worker.h"
#include "gateway/command_program.h"
#include "gateway/guest.h"
#include "gateway/program_base.h"
#include "gateway/task_posts.h"
#include "http/server.h"
#include "tasks/keeper.h"

namespace corral::engine {

class Engine {
 public:
  Engine(EngineConfig config, PyModuleDef* guest, control::Channel channel, Log& log);
  ~Engine();

  // Returns the exit code. Does not return when something had to be abandoned: then it flushes the
  // log and _exits.
  int run();

 private:
  // A worker, with what is needed to make it anew: a command that ended, a worker that is
  // stuck. The others live as long as the engine.
  struct Slot {
    const GroupConfig* group = nullptr;
    std::string name;
    std::unique_ptr<exec::Worker> worker;
    gateway::CommandProgram* command = nullptr;  // owned by `worker`
    int restarts = 0;
    Milliseconds started_ms = 0;
    Milliseconds restart_at_ms = -1;
    bool finished = false;  // ended well and is not wanted again
  };

  // --- boot.cc
  Result<void> boot();
  Result<void> build();
  Result<void> take_place();
  std::unique_ptr<http::Siblings> make_siblings();
  void tell_state(control::SlotState state);
  void build_keeper();
  void start_worker(Slot& slot);
  std::unique_ptr<exec::Program> make_program(Slot& slot);
  Result<void> wait_for_workers();
  Result<void> start_keeper();
  void report_ready();
  gateway::ProgramContext context_for(const GroupConfig& group,
                                      const std::string& worker_name) const;

  // --- engine.cc
  void serve();
  // Waits for a message or for attention; `wait_ms` -1: without a limit.
  std::optional<control::Message> wait(Milliseconds wait_ms);
  void call_attention();
  void mind_commands();
  void command_ended(Slot& slot);
  Milliseconds pause_before_restart(Slot& slot);
  Milliseconds next_restart_ms() const;

  // --- renew.cc
  bool mind_workers();
  void replace_stuck(Slot& slot);
  bool has_too_much_abandoned();
  static bool is_gone(const exec::Worker& worker);
  [[noreturn]] void leave_abandoned_behind();

  // --- drain.cc
  int drain(Milliseconds grace_ms);
  void stop_web();
  void stop_tasks(Milliseconds deadline_ms);
  void stop_commands();
  void end_workers(Role role);
  bool is_down() const;
  [[noreturn]] void leave_behind();
  [[noreturn]] void give_up(int code);

  const EngineConfig config_;
  PyModuleDef* const guest_;
  control::Channel channel_;
  Log& log_;
  Fd attention_;
  gateway::Host host_;
  std::optional<control::Scoreboard> scoreboard_;
  std::size_t place_ = 0;  // slot of the scoreboard
  dispatch::Queue<http::Exchange> requests_;
  std::unique_ptr<http::Server> server_;
  gateway::TaskPosts task_posts_;  // outlives the keeper and the workers
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<tasks::Keeper> keeper_;
  bool keeper_started_ = false;
  exec::Watch watch_;  // outlives the workers
  std::vector<Slot> slots_;
  std::list<std::unique_ptr<exec::Worker>> retired_;  // were stuck, and may end yet
  std::atomic<bool> web_drained_{false};
  std::atomic<bool> tasks_drained_{true};
  std::vector<Thread> drainers_;
  Milliseconds drain_ms_ = 0;  // the grace that the supervisor asked for
};

}  // namespace corral::engine
