// The keeper's store, chosen when the first task worker has found out where the jobs are:
// PostgreSQL through libpq (tasks/postgres_store.h), every other database, and PostgreSQL where
// libpq is not enough, through Django's connection (gateway/store_call.h).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/log.h"
#include "gateway/store_call.h"
#include "gateway/task_program.h"
#include "tasks/postgres_store.h"

namespace corral::engine {

class JobStore final : public tasks::Store {
 public:
  // `node`: JSON that identifies this incarnation.
  JobStore(gateway::ProgramContext context, std::string node)
      : log_(*context.log), node_(node), django_(std::move(context), std::move(node)) {}

  // Any thread, before the keeper starts; the first description counts.
  void configure(gateway::StoreDescription description);
  bool configured() const;

  // The keeper's thread around its whole life: with an interpreter where the store needs one.
  void around_thread(const std::function<void()>& body);

  Result<int> open() override { return chosen().open(); }
  Result<tasks::Claim> claim(int limit, Suspects suspects) override {
    return chosen().claim(limit, suspects);
  }
  Result<int> finish(std::span<const tasks::Outcome> outcomes) override {
    return chosen().finish(outcomes);
  }
  Result<void> release(std::span<const tasks::Job> jobs) override { return chosen().release(jobs); }
  Result<int> beat() override { return chosen().beat(); }
  Result<std::vector<Held>> cancelled() override { return chosen().cancelled(); }
  Result<int> prune(int limit) override { return chosen().prune(limit); }
  Result<Milliseconds> next_tick_ms() override { return chosen().next_tick_ms(); }
  Result<bool> changed() override { return chosen().changed(); }
  int wake_fd() const override { return chosen().wake_fd(); }
  Result<bool> hear() override { return chosen().hear(); }
  bool announces() const override { return chosen().announces(); }
  Result<void> announce() override { return chosen().announce(); }
  void close() override { chosen().close(); }

 private:
  // What is configured does not change once the keeper runs.
  const tasks::Store& chosen() const {
    return postgres_ ? static_cast<const tasks::Store&>(*postgres_) : django_;
  }
  tasks::Store& chosen() { return postgres_ ? static_cast<tasks::Store&>(*postgres_) : django_; }
  Result<std::unique_ptr<tasks::PostgresStore>> make_postgres(const std::string& description) const;

  Log& log_;
  const std::string node_;
  mutable std::mutex mutex_;
  bool configured_ = false;  // guarded by mutex_
  gateway::StoreCall django_;
  std::unique_ptr<tasks::PostgresStore> postgres_;  // written once, before the keeper starts
};

}  // namespace corral::engine
