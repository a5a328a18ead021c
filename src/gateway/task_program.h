// A task worker: takes claimed jobs from the keeper, runs each through corral.tasks.worker, reports
// the outcome.
#pragma once

#include <functional>
#include <string>

#include "gateway/program_base.h"
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
  TaskProgram(ProgramContext context, tasks::Keeper& keeper,
              std::function<void(StoreDescription)> on_store)
      : ProgramBase(std::move(context)), keeper_(keeper), on_store_(std::move(on_store)) {}

  void run(interp::PythonThread& thread, exec::Post* post) override;
  void unload(interp::Attached& attached) override;

 private:
  bool load_application(interp::Attached& attached, exec::Loaded& loaded) override;
  tasks::Outcome run_job(interp::Attached& attached, const tasks::Job& job);

  tasks::Keeper& keeper_;
  const std::function<void(StoreDescription)> on_store_;
  interp::Ref run_;
};

}  // namespace corral::gateway
