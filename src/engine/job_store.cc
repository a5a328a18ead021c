#include "engine/job_store.h"

#include "base/json.h"

namespace corral::engine {

void JobStore::configure(gateway::StoreDescription description) {
  std::lock_guard lock(mutex_);
  if (configured_) return;
  configured_ = true;
  if (!description.postgres.empty()) {
    auto made = make_postgres(description.postgres);
    if (made) {
      postgres_ = std::move(*made);
      return;
    }
    log_.warning(210,
                 "the keeper cannot reach PostgreSQL through libpq: it uses Django's connection, "
                 "which is slower",
                 {{"reason", made.error().message}});
  }
  django_.configure(std::move(description.django));
}

Result<std::unique_ptr<tasks::PostgresStore>> JobStore::make_postgres(
    const std::string& description) const {
  const auto json = Json::parse(description);
  const auto members = json ? json->members() : std::nullopt;
  if (members && members->size() == 1 && members->front().first == "why_not")
    return Error{members->front().second.string().value_or("")};
  auto options = tasks::PostgresStore::parse_options(description, node_);
  if (!options) return options.error();
  auto store = std::make_unique<tasks::PostgresStore>(std::move(*options));
  if (Result<void> loaded = store->load(); !loaded) return loaded.error();
  return store;
}

bool JobStore::configured() const {
  std::lock_guard lock(mutex_);
  return configured_;
}

void JobStore::around_thread(const std::function<void()>& body) {
  if (postgres_) {
    body();
  } else {
    django_.around_thread(body);
  }
}

}  // namespace corral::engine
