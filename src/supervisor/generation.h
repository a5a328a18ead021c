// The processes that serve together: one engine and its worker processes, all from one Plan.
//
//   booting --all READY, serve()--> serving --drain(), stop()--> leaving --all ended--> over
//
// While booting nothing is retried: the first failure is the generation's failure, and its owner
// stops it. While serving, a dead child is started again, at once the first time and after growing
// pauses then; the others never notice. While leaving, the dead stay dead.
//
// Owned by the supervisor's loop; no call waits.
#pragma once

#include <poll.h>

#include <deque>
#include <string>
#include <vector>

#include "base/log.h"
#include "control/scoreboard.h"
#include "supervisor/child.h"
#include "supervisor/plan.h"

namespace corral::supervisor {

enum class GenerationState { booting, serving, leaving, over };

// Beyond the grace, for a child that ends its last work exactly then.
constexpr Milliseconds kGraceMarginMs = 1'000;
// From "stop at once" to the kill.
constexpr Milliseconds kStopPatienceMs = 200;

// A slot for each child of the plan, in the order of the children. Those that are several of a kind
// have inboxes.
Result<control::Scoreboard> make_scoreboard(const Plan& plan);

class Generation {
 public:
  // `plan` and `log` outlive it, and so does the scoreboard, which is made for the plan.
  Generation(const Plan& plan, control::Scoreboard& scoreboard, Log& log);

  void start();
  void serve();
  void drain(Milliseconds grace_ms);
  void stop();

  // Reads what the children said, reaps the dead and does what is due.
  void step();
  // Adds the descriptors whose readiness calls for a step().
  void watch(std::vector<pollfd>& into) const;
  // When a step() is due without any; kNever: not before a descriptor is ready.
  Milliseconds deadline_ms() const;

  GenerationState state() const { return state_; }
  bool is_ready() const;  // every child is
  // While booting; the reason has been logged.
  bool has_failed() const { return has_failed_; }
  // A child had to be killed or cut its own work off.
  bool was_forced() const { return was_forced_; }
  bool owns(pid_t pid) const;

 private:
  void boot(Child& child);
  void read_messages(Child& child);
  void on_ready(Child& child, const std::string& note);
  void on_failed(Child& child, std::string text);
  void on_closed(Child& child);
  void on_ending(Child& child, int wait_status, pid_t pid);
  void on_deadline(Child& child);

  void fail(const Child& child, pid_t pid, const std::string& reason);
  void restart_later(Child& child, pid_t pid, const std::string& reason);
  void judge_leaving(const Child& child, int wait_status, pid_t pid);
  void settle();

  const Plan& plan_;
  control::Scoreboard& scoreboard_;
  Log& log_;
  std::vector<int> inherited_fds_;  // constant
  std::deque<Child> children_;      // constant in number; a deque because children do not move
  GenerationState state_ = GenerationState::booting;
  bool has_failed_ = false;
  bool was_forced_ = false;
  bool is_stopping_ = false;  // stop() was called: endings need no explanation any more
};

}  // namespace corral::supervisor
