// A task worker: takes claimed jobs from the keeper, runs each through corral.tasks.worker, reports
// the outcome.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gateway/program_base.h"
#include "gateway/task_post.h"
#include "tasks/keeper.h"

namespace corral::gateway {

// How the keeper reaches the jobs' database, as corral.tasks.worker.load describes it.
struct StoreDescription {
  std::string django;    // bytes for corral.tasks.store
  std::string postgres;  // JSON for tasks::PostgresStore; empty where the database is another
};

class TaskProgram final : public ProgramBase {
 public:
  // `on_store` is told how the keeper reaches the jobs' database, once, from the worker's own
  // thread, before the worker is ready.
  TaskProgram(ProgramContext context, tasks::Keeper& keeper, TaskPosts& posts,
              std::function<void(StoreDescription)> on_store)
      : ProgramBase(std::move(context)),
        keeper_(keeper),
        posts_(posts),
        on_store_(std::move(on_store)) {}

  std::unique_ptr<exec::Post> make_post() override;
  void run(interp::PythonThread& thread, exec::Post* post) override;
  void unload(interp::Attached& attached) override;

 private:
  bool load_application(interp::Attached& attached, exec::Loaded& loaded) override;
  // Nothing when the outcome has been written in the thread's place.
  std::optional<tasks::Outcome> run_job(interp::Attached& attached, const tasks::Job& job,
                                        TaskPost& post, const interp::Ref& watch);
  void log_fault(interp::Attached& attached, std::string_view message, std::string_view job);

  tasks::Keeper& keeper_;
  TaskPosts& posts_;
  const std::function<void(StoreDescription)> on_store_;
  interp::Ref run_;
  TaskPost::Interruptions interruptions_;
};

}  // namespace corral::gateway
