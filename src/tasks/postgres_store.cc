#include "tasks/postgres_store.h"

#include <algorithm>

#include "base/check.h"
#include "base/json.h"

namespace corral::tasks {
namespace {

// One channel for all sites of a database. The payload is a queue's name, or nothing for any.
constexpr const char* kListen = "LISTEN corral_job";
constexpr const char* kAnnounce = "SELECT pg_notify('corral_job', '')";
constexpr Milliseconds kAnnouncePauseMs = 10;
constexpr const char* kSetRole = "SELECT set_config('role', $1::text, false)";

Queues kind_of(const std::optional<std::vector<std::string>>& queues) {
  if (!queues) return Queues::any;
  return queues->size() == 1 ? Queues::one : Queues::several;
}

std::string label_of(const PostgresStore::Options& options) {
  std::string label;
  append_json_quoted(label, options.host + ":" + std::to_string(options.pid));
  return label;
}

std::optional<std::vector<std::string>> texts_of(const Json& json) {
  const auto items = json.items();
  if (!items) return std::nullopt;
  std::vector<std::string> texts;
  for (const Json& item : *items) {
    auto text = item.string();
    if (!text) return std::nullopt;
    texts.push_back(std::move(*text));
  }
  return texts;
}

// Each takes one member into the options; false when it is not what it should be.
bool take_config(const std::string& name, const Json& value, PostgresStore::Options& options) {
  const auto take_text = [&](std::string& into) {
    auto text = value.string();
    if (text) into = std::move(*text);
    return text.has_value();
  };
  if (name == "conninfo") return take_text(options.conninfo);
  if (name == "role") return take_text(options.role);
  if (name == "time_zone") return take_text(options.time_zone);
  if (name == "libpq") {
    auto names = texts_of(value);
    if (names) options.libpq = std::move(*names);
    return names.has_value();
  }
  if (name == "queues") {
    if (value.is_null()) return true;
    options.queues = texts_of(value);
    return options.queues.has_value();
  }
  if (name == "keeps_session") {
    options.keeps_session = value.boolean().value_or(true);
    return value.boolean().has_value();
  }
  if (name == "max_crashes_default") {
    options.crashes_max_of_others = static_cast<int>(value.integer().value_or(0));
    return options.crashes_max_of_others > 0;
  }
  const auto backends = value.members();  // queues, for "weights"
  if (!backends) return false;
  for (const auto& [backend, given] : *backends) {
    const auto number = given.number();
    if (name == "weights" && number && *number >= 1) {
      options.weights[backend] = static_cast<std::int64_t>(*number);
    } else if (name == "max_crashes" && number) {
      options.crashes_max[backend] = static_cast<int>(*number);
    } else if (name == "failed_retention" && (number || given.is_null())) {
      auto& retention_us = options.failed_retention_us[backend];
      if (number) retention_us = static_cast<std::int64_t>(*number * 1'000'000);
    } else {
      return false;
    }
  }
  return true;
}

bool take_node(const std::string& name, const Json& value, PostgresStore::Options& options) {
  if (name == "incarnation") {
    options.incarnation = value.string().value_or("");
    return is_uuid(options.incarnation);
  }
  if (name == "host") {
    options.host = value.string().value_or("");
    return value.string().has_value();
  }
  const auto number = value.integer();
  if (name == "pid") options.pid = number.value_or(0);
  if (name == "lease_ms") options.lease_ms = number.value_or(0);
  return number.has_value();
}

template <typename Take>
bool take_all(std::string_view text, Take take, PostgresStore::Options& options) {
  const auto json = Json::parse(text);
  const auto members = json ? json->members() : std::nullopt;
  if (!members) return false;
  for (const auto& [name, value] : *members) {
    if (!take(name, value, options)) return false;
  }
  return true;
}

}  // namespace

Result<PostgresStore::Options> PostgresStore::parse_options(std::string_view config,
                                                            std::string_view node) {
  Options options;
  if (!take_all(config, take_config, options) || !take_all(node, take_node, options) ||
      options.incarnation.empty()) {
    return Error{"the description of the job store cannot be read: a fault of Corral's own"};
  }
  return options;
}

PostgresStore::PostgresStore(Options options)
    : options_(std::move(options)),
      sql_(options_.time_zone),
      queues_(kind_of(options_.queues)),
      label_(label_of(options_)),
      witness_(options_.lease_ms, options_.looks_until_dead),
      shares_(options_.weights) {}

PostgresStore::~PostgresStore() = default;

Result<void> PostgresStore::load() {
  if (libpq_) return {};
  auto loaded = Libpq::load(options_.libpq, options_.conninfo);
  if (!loaded) return loaded.error();
  libpq_ = std::move(*loaded);
  return {};
}

// --- life

Result<int> PostgresStore::open() {
  session_.reset();
  witness_.forget();
  if (Result<void> loaded = load(); !loaded) return loaded.error();
  const auto preparing =
      options_.keeps_session ? Session::Preparing::prepared : Session::Preparing::unprepared;
  auto session = Session::connect(libpq_, options_.conninfo, preparing);
  if (!session) return session.error();
  session_ = std::move(*session);
  if (Result<void> set_up = set_up_session(); !set_up) return set_up.error();
  Result<int> rescued = beat();
  if (!rescued) return rescued;
  if (Result<void> given_back = give_back_undelivered(); !given_back) return given_back.error();
  return rescued;
}

Result<void> PostgresStore::set_up_session() {
  if (options_.keeps_session) {
    auto set = run(sql_.set_up, {});
    if (!set) return set.error();
    auto listening = run({"listen", kListen}, {});
    if (!listening) return listening.error();
  }
  if (options_.role.empty()) return {};
  auto set = run({"set_role", kSetRole}, Parameters().text(options_.role));
  if (!set) return set.error();
  return {};
}

void PostgresStore::close() {
  if (!session_) return;
  // Where that fails the end of its lease time removes it.
  [[maybe_unused]] const auto left = run(sql_.leave, Parameters().text(options_.incarnation));
  session_.reset();
}

Result<Answer> PostgresStore::run(const Statement& statement, const Parameters& parameters) {
  if (!session_) return Error{"there is no connection to PostgreSQL"};
  return session_->run(statement, parameters);
}

// Rows RUNNING here that no claim() returned: the answer was lost with the connection.
Result<void> PostgresStore::give_back_undelivered() {
  auto ours = run(sql_.held_rows, Parameters().text(options_.incarnation));
  if (!ours) return ours.error();
  std::vector<Key> lost;
  for (int row = 0; row < ours->rows(); ++row) {
    Key key{ours->uuid(row, 0), ours->number(row, 1)};
    if (!held_.contains(key)) lost.push_back(std::move(key));
  }
  return release(lost);
}

// --- news

Result<Milliseconds> PostgresStore::next_tick_ms() {
  auto next = run(sql_.next_tick, {});
  if (!next) return next.error();
  return next->is_null(0, 0) ? -1 : std::max<Milliseconds>(next->number(0, 0), 0);
}

Result<bool> PostgresStore::changed() {
  auto waiting = run(sql_.peek(queues_), with_queues());
  if (!waiting) return waiting.error();
  return waiting->number(0, 0) != 0;
}

int PostgresStore::wake_fd() const {
  return session_ && options_.keeps_session ? session_->fd() : -1;
}

Result<bool> PostgresStore::hear() {
  if (!session_ || !options_.keeps_session) return false;
  if (Result<void> listened = session_->listen(); !listened) return listened.error();
  bool is_news = false;
  for (const std::string& queue : session_->take_notifications()) {
    const auto& ours = options_.queues;
    is_news |= queue.empty() || !ours || std::ranges::find(*ours, queue) != ours->end();
  }
  return is_news;
}

// Those who hear it look twice (Claimer::heard), so it need not be repeated within a moment.
Result<void> PostgresStore::announce() {
  const Milliseconds now_ms = monotonic_ms();
  if (now_ms - announced_at_ms_ < kAnnouncePauseMs) return {};
  announced_at_ms_ = now_ms;
  auto announced = run({"announce", kAnnounce}, {});
  if (!announced) return announced.error();
  return {};
}

}  // namespace corral::tasks
