// One place in a generation and the process that fills it: started, spoken to, and replaced after
// its death.
//
//   paused --start--> booting --READY--> ready --serve--> serving --drain, stop--> leaving -> ended
//     ^                  |                 |                 |
//     +---- dead: again after a pause -----+-----------------+
//
// Owned by the supervisor's loop. A Child acts only when told to and never waits; what its death
// means is decided by its Generation.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "control/channel.h"
#include "supervisor/backoff.h"
#include "supervisor/plan.h"
#include "supervisor/spawn.h"

namespace corral::supervisor {

enum class ChildState { paused, booting, ready, serving, leaving, ended };

constexpr Milliseconds kNever = std::numeric_limits<Milliseconds>::max();

// "exited with code 2", "was killed by SIGSEGV": what waitpid said, for people.
std::string describe_ending(int wait_status);

class Child {
 public:
  // `spec` outlives the Child. `slot`: of the scoreboard, this place's own.
  Child(std::string name, const ProcessSpec& spec, std::size_t slot, Milliseconds pause_max_ms);

  // paused -> booting, and the configuration is on its way. On an error it stays paused.
  // The first of the inherited descriptors is the scoreboard's.
  Result<void> start(const std::vector<int>& inherited_fds, Milliseconds boot_max_ms);
  void become_ready();
  void serve();
  // Tells it to drain (text: its grace) or to stop; killed when it is still there after
  // `patience_ms`.
  void leave(control::Kind how, std::string_view text, Milliseconds patience_ms);
  // After its death, or before any life: the next start comes at `when_ms`, or never.
  void pause_until(Milliseconds when_ms);
  void end();

  void kill();
  // Kills it when it has not gone by then. Its death will be explained by `why`.
  void give_time(Milliseconds patience_ms, std::string why);
  // The next message, without waiting. A closed channel is said once and then let go.
  std::optional<control::Message> try_receive();
  // The wait status once the process has ended.
  std::optional<int> try_reap();

  ChildState state() const { return state_; }
  const std::string& name() const { return name_; }
  std::size_t slot() const { return slot_; }
  pid_t pid() const { return process_.pid; }
  bool is_running() const { return process_.pid > 0; }
  bool was_killed() const { return was_killed_; }
  // paused: when to start; running: when to kill.
  Milliseconds deadline_ms() const { return deadline_ms_; }
  // Of this life: when it was started, whether it was told to serve, and for how long it has.
  Milliseconds started_ms() const { return started_ms_; }
  bool has_served() const { return serving_since_ms_ != 0; }
  Milliseconds served_ms() const;
  // Its own account of its end, or ours; empty: the wait status has to do.
  const std::string& last_words() const { return last_words_; }
  void set_last_words(std::string words) { last_words_ = std::move(words); }
  Backoff& backoff() { return backoff_; }

  int channel_fd() const { return channel_.fd(); }         // -1: closed
  int handle_fd() const { return process_.handle.get(); }  // -1: not running

 private:
  void enter(ChildState next);

  const std::string name_;
  const ProcessSpec& spec_;
  const std::size_t slot_;
  ChildState state_ = ChildState::paused;
  Process process_;
  control::Channel channel_;
  Backoff backoff_;
  Milliseconds deadline_ms_ = 0;
  Milliseconds started_ms_ = 0;
  Milliseconds serving_since_ms_ = 0;  // 0: not in this life
  bool was_killed_ = false;            // by us
  std::string last_words_;
};

}  // namespace corral::supervisor
