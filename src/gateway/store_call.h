// A job store behind Django's database connection: tasks::Store on top of
// python/corral/tasks/store.py, in a lean sub-interpreter of the keeper's own (no apps, no user
// code, nobody else's GIL).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/file_watch.h"
#include "gateway/program_base.h"
#include "interp/interpreter.h"
#include "tasks/store.h"

namespace corral::gateway {

class StoreCall final : public tasks::Store {
 public:
  // `node`: JSON that identifies this incarnation (docs/job_states.md).
  StoreCall(ProgramContext context, std::string node)
      : context_(std::move(context)), node_(std::move(node)) {}
  ~StoreCall() override;

  // How to reach the database, found by a task worker. Before open(); any thread.
  void configure(std::string store_config);
  bool configured() const;

  // The keeper's thread around its whole life: makes the interpreter first, ends it last.
  void around_thread(const std::function<void()>& body);

  Result<int> open() override;
  Result<tasks::Claim> claim(int limit, Suspects suspects) override;
  Result<int> finish(std::span<const tasks::Outcome> outcomes) override;
  Result<void> release(std::span<const tasks::Job> jobs) override;
  Result<int> beat() override;
  Result<std::vector<Held>> cancelled() override;
  Result<int> prune(int limit) override;
  Result<Milliseconds> next_tick_ms() override;
  Result<bool> changed() override;
  int wake_fd() const override { return watch_ ? watch_->fd() : -1; }
  Result<bool> hear() override;
  void close() override;

 private:
  Result<void> load(interp::Attached& attached);
  Result<long> call_number(interp::Attached& attached, const char* method, PyObject* argument);
  Error take_error(interp::Attached& attached, const char* method);
  Result<void> watch_files(interp::Attached& attached);

  const ProgramContext context_;
  const std::string node_;
  mutable std::mutex mutex_;
  std::string config_;  // guarded by mutex_
  // The keeper thread's:
  std::unique_ptr<interp::Interpreter> interpreter_;
  std::unique_ptr<interp::PythonThread> thread_;
  Error broken_;  // why there is no interpreter
  interp::Ref guest_;
  interp::Ref store_;
  std::optional<FileWatch> watch_;  // of a database that is a file
};

}  // namespace corral::gateway
