// From configuration to READY.
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/check.h"
#include "engine/allocator.h"
#include "engine/engine.h"
#include "gateway/task_program.h"
#include "gateway/wsgi_program.h"

namespace corral::engine {
namespace {

int all_workers(const EngineConfig& config) {
  int workers = 0;
  for (const GroupConfig& group : config.groups) workers += group.workers;
  return workers;
}

int web_threads(const EngineConfig& config) {
  int threads = 0;
  for (const GroupConfig& group : config.groups) {
    if (group.role == Role::web) threads += group.workers * group.threads;
  }
  return threads;
}

}  // namespace

Engine::Engine(EngineConfig config, PyModuleDef* guest, control::Channel channel, Log& log)
    : config_(std::move(config)),
      guest_(guest),
      channel_(std::move(channel)),
      log_(log),
      attention_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      requests_(config_.admission.queue_depth_max,
                {web_threads(config_), config_.admission.overload_wait_max_ms}) {
  // Another process of the node may run the keeper: then its eventfd is all there is to wake.
  host_.wake_keeper = [this] {
    if (keeper_) {
      keeper_->wake();
      return true;
    }
    if (config_.wake_fd >= 0) eventfd_write(config_.wake_fd, 1);
    return config_.wake_fd >= 0;
  };
  host_.wake_for_cancelled = [this] {
    if (keeper_) {
      keeper_->wake_for_cancelled();
    } else if (config_.wake_fd >= 0) {
      eventfd_write(config_.wake_fd, tasks::Keeper::kCancelledWake);
    }
  };
}

Engine::~Engine() = default;

Result<void> Engine::boot() {
  tune_allocator(all_workers(config_));
  if (Result<void> taken = take_place(); !taken) return taken;
  if (Result<void> built = build(); !built) return built;
  watch_.start();
  for (Slot& slot : slots_) start_worker(slot);
  if (Result<void> loaded = wait_for_workers(); !loaded) return loaded;
  return start_keeper();
}

Result<void> Engine::build() {
  for (const GroupConfig& group : config_.groups) {
    if (group.role == Role::tasks) build_keeper();
    for (int index = 1; index <= group.workers; ++index) {
      Slot& slot = slots_.emplace_back();
      slot.group = &group;
      const bool single = group.workers == 1 && group.role == Role::command;
      slot.name = single ? group.name : group.name + "." + std::to_string(index);
    }
  }
  if (config_.listen_fds.empty()) return {};
  server_ = std::make_unique<http::Server>(config_.http, config_.http_options, config_.admission,
                                           make_siblings(), requests_, log_);
  return server_->start(config_.listen_fds);
}

// The supervisor says it right after the configuration.
Result<void> Engine::take_place() {
  const auto message = channel_.receive(-1);
  if (message->kind == control::Kind::closed) give_up(0);
  CORRAL_CHECK(message->kind == control::Kind::place, "the supervisor gives a place at first");
  std::istringstream words(message->text);
  int fd = -1;
  words >> fd >> place_;
  auto scoreboard = control::Scoreboard::attach(fd);
  if (!scoreboard) return scoreboard.error();
  scoreboard_.emplace(std::move(*scoreboard));
  scoreboard_->slot(place_).pid.store(getpid(), std::memory_order_relaxed);
  tell_state(control::SlotState::booting);
  return {};
}

void Engine::tell_state(control::SlotState state) { scoreboard_->slot(place_).state.store(state); }

std::unique_ptr<http::Siblings> Engine::make_siblings() {
  return std::make_unique<http::Siblings>(*scoreboard_, place_, config_.http.connections_max);
}

void Engine::build_keeper() {
  const GroupConfig* tasks = nullptr;
  for (const GroupConfig& group : config_.groups) {
    if (group.role == Role::tasks) tasks = &group;
  }
  store_ = std::make_unique<JobStore>(context_for(*tasks, "keeper"), config_.node);
  tasks::Keeper::Options options;
  options.threads = tasks->workers * tasks->threads;
  options.limits = config_.tasks;
  options.node_wake_fd = config_.wake_fd;
  options.interrupt = [this](const std::string& id, std::int64_t lease) {
    return task_posts_.cancel(id, lease);
  };
  options.around_thread = [this](const std::function<void()>& body) {
    store_->around_thread(body);
  };
  keeper_ = std::make_unique<tasks::Keeper>(*store_, std::move(options), log_);
}

gateway::ProgramContext Engine::context_for(const GroupConfig& group,
                                            const std::string& worker_name) const {
  return {guest_, &host_, &log_, worker_name, group.load};
}

std::unique_ptr<exec::Program> Engine::make_program(Slot& slot) {
  gateway::ProgramContext context = context_for(*slot.group, slot.name);
  switch (slot.group->role) {
    case Role::web: {
      gateway::WsgiProgram::Options options;
      options.environ.multithread = slot.group->threads > 1;
      options.environ.multiprocess = slot.group->multiprocess;
      return std::make_unique<gateway::WsgiProgram>(std::move(context), options,
                                                    server_->polling());
    }
    case Role::tasks:
      return std::make_unique<gateway::TaskProgram>(
          std::move(context), *keeper_, task_posts_,
          [this](gateway::StoreDescription store) { store_->configure(std::move(store)); });
    case Role::command:
      break;
  }
  auto program = std::make_unique<gateway::CommandProgram>(std::move(context));
  slot.command = program.get();
  return program;
}

void Engine::start_worker(Slot& slot) {
  exec::Worker::Options options;
  options.name = slot.name;
  options.threads = slot.group->threads;
  options.placement = slot.group->placement;
  options.nice = slot.group->nice;
  options.on_change = [this] { call_attention(); };
  if (slot.group->role == Role::tasks) options.watch = &watch_;  // each job has its own limit
  const RequestLimits& requests = config_.requests;
  if (slot.group->role == Role::web &&
      (requests.request_time_max_ms > 0 || requests.slow_request_ms > 0)) {
    options.limits = {requests.request_time_max_ms, requests.slow_request_ms};
    options.watch = &watch_;
  }
  slot.worker = std::make_unique<exec::Worker>(std::move(options), make_program(slot), log_);
  slot.started_ms = monotonic_ms();
  slot.restart_at_ms = -1;
  slot.worker->start();
}

// Until every worker has loaded its site, or one says why it cannot. A drain that comes meanwhile
// ends the wait too.
Result<void> Engine::wait_for_workers() {
  for (;;) {
    bool all = true;
    for (const Slot& slot : slots_) {
      const exec::WorkerState state = slot.worker->state();
      if (state == exec::WorkerState::failed) return Error{slot.worker->failure()};
      all = all && state != exec::WorkerState::starting;
    }
    if (all) return {};
    const auto message = wait(-1);
    if (!message) continue;
    switch (message->kind) {
      case control::Kind::closed:
      case control::Kind::drain:
      case control::Kind::stop:
        give_up(0);  // nothing has been served: there is nothing to finish
      default:
        break;
    }
  }
}

Result<void> Engine::start_keeper() {
  if (!keeper_ || !store_->configured()) return {};
  Result<void> started = keeper_->start();
  if (!started) return Error{"the job store cannot be opened: " + started.error().message};
  keeper_started_ = true;
  return {};
}

void Engine::report_ready() {
  int workers = 0;
  for (const Slot& slot : slots_)
    workers += slot.worker->state() == exec::WorkerState::ready ? 1 : 0;
  log_.debug("ready", {{"workers", workers}});
  channel_.send(control::Kind::ready);
}

}  // namespace corral::engine
