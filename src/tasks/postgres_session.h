// One connection to PostgreSQL: statements with parameters, answers, errors as values, the
// notifications that came along. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tasks/libpq.h"

namespace corral::tasks {

// A statement of the store. `name` is its prepared name and unique.
struct Statement {
  const char* name;
  std::string sql;
};

// The parameters of one statement, in order. Scalars travel as text, arrays in PostgreSQL's binary
// form, which needs no escapes. Every one is cast in the SQL.
class Parameters {
 public:
  Parameters& text(std::string_view value);
  Parameters& text_or_null(const std::optional<std::string>& value);
  Parameters& number(std::int64_t value);
  Parameters& texts(std::span<const std::string> values);
  Parameters& texts_or_nulls(std::span<const std::optional<std::string>> values);
  Parameters& numbers(std::span<const std::int64_t> values);
  Parameters& numbers_or_nulls(std::span<const std::optional<std::int64_t>> values);
  Parameters& uuids(std::span<const std::string> values);  // canonical text, checked before

  std::size_t size() const { return items_.size(); }
  std::size_t bytes() const;

 private:
  friend class Session;
  struct Item {
    std::string bytes;
    bool is_null;
    bool is_binary;
  };
  std::vector<Item> items_;
};

bool is_uuid(std::string_view text);

// The rows of an answer, in binary form. Lives on its own; views live as long as it.
class Answer {
 public:
  Answer(std::shared_ptr<const Libpq> pq, PgResult* result)
      : pq_(std::move(pq)), result_(result, pq_->clear) {}

  int rows() const { return pq_->rows(result_.get()); }
  bool is_null(int row, int column) const { return pq_->is_null(result_.get(), row, column) != 0; }
  std::string_view text(int row, int column) const;
  std::int64_t number(int row, int column) const;  // of smallint, integer, bigint, boolean, times
  std::string uuid(int row, int column) const;
  int affected() const;

 private:
  friend class Session;
  std::shared_ptr<const Libpq> pq_;
  std::unique_ptr<PgResult, void (*)(PgResult*)> result_;
};

class Session {
 public:
  enum class Preparing { prepared, unprepared };

  // Connects; blocks as long as connect_timeout in `conninfo` allows.
  static Result<std::unique_ptr<Session>> connect(std::shared_ptr<const Libpq> pq,
                                                  const std::string& conninfo, Preparing preparing);
  ~Session();

  // One statement, a transaction by itself.
  Result<Answer> run(const Statement& statement, const Parameters& parameters = {});

  // Of the last run() that failed: what the server says is wrong with the values (not with the
  // connection, the server or the schema), so that other values can be written.
  bool refused_values() const;

  // Reads what the server sent by itself, without waiting; an Error when the connection is gone.
  Result<void> listen();
  // The payloads of notifications that other sessions sent, as far as they have come.
  std::vector<std::string> take_notifications();

  int fd() const { return pq_->socket(connection_); }

 private:
  Session(std::shared_ptr<const Libpq> pq, PgConnection* connection, Preparing preparing)
      : pq_(std::move(pq)), connection_(connection), preparing_(preparing) {}
  Result<void> prepare(const Statement& statement);
  Error error_of(const PgResult* result);

  const std::shared_ptr<const Libpq> pq_;
  PgConnection* const connection_;
  const Preparing preparing_;
  std::set<std::string_view> prepared_;
  std::string sql_state_;
};

}  // namespace corral::tasks
