#include "tasks/postgres_session.h"

#include <array>
#include <charconv>
#include <cstring>

#include "base/check.h"

namespace corral::tasks {
namespace {

// Types of the elements of binary arrays, from the server's catalogue, where they never change.
constexpr std::int32_t kOidBigint = 20;
constexpr std::int32_t kOidText = 25;
constexpr std::int32_t kOidUuid = 2950;
constexpr int kBinary = 1;
constexpr std::size_t kUuidBytes = 16;

template <typename Number>
void append_big_endian(std::string& out, Number number) {
  const auto bits = static_cast<std::uint64_t>(number);
  for (int shift = static_cast<int>(sizeof number) * 8 - 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(bits >> shift & 0xFF);
  }
}

// One dimension, first index 1.
std::string array_head(std::int32_t type, std::size_t count) {
  std::string out;
  append_big_endian(out, std::int32_t{count > 0 ? 1 : 0});
  append_big_endian(out, std::int32_t{1});  // there may be NULLs
  append_big_endian(out, type);
  if (count == 0) return out;
  append_big_endian(out, static_cast<std::int32_t>(count));
  append_big_endian(out, std::int32_t{1});
  return out;
}

void append_element(std::string& out, std::string_view bytes) {
  append_big_endian(out, static_cast<std::int32_t>(bytes.size()));
  out += bytes;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string uuid_bytes(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); at += 2) {
    if (text[at] == '-') ++at;
    bytes += static_cast<char>(hex_value(text[at]) << 4 | hex_value(text[at + 1]));
  }
  return bytes;
}

}  // namespace

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool is_dash = at == 8 || at == 13 || at == 18 || at == 23;
    if (is_dash ? text[at] != '-' : hex_value(text[at]) < 0) return false;
  }
  return true;
}

// --- parameters

Parameters& Parameters::text(std::string_view value) {
  items_.push_back({std::string(value), false, false});
  return *this;
}

Parameters& Parameters::text_or_null(const std::optional<std::string>& value) {
  items_.push_back({value.value_or(""), !value.has_value(), false});
  return *this;
}

Parameters& Parameters::number(std::int64_t value) { return text(std::to_string(value)); }

Parameters& Parameters::texts(std::span<const std::string> values) {
  std::string out = array_head(kOidText, values.size());
  for (const std::string& value : values) append_element(out, value);
  items_.push_back({std::move(out), false, true});
  return *this;
}

Parameters& Parameters::texts_or_nulls(std::span<const std::optional<std::string>> values) {
  std::string out = array_head(kOidText, values.size());
  for (const auto& value : values) {
    if (value) {
      append_element(out, *value);
    } else {
      append_big_endian(out, std::int32_t{-1});
    }
  }
  items_.push_back({std::move(out), false, true});
  return *this;
}

Parameters& Parameters::numbers(std::span<const std::int64_t> values) {
  std::string out = array_head(kOidBigint, values.size());
  for (const std::int64_t value : values) {
    append_big_endian(out, std::int32_t{sizeof value});
    append_big_endian(out, value);
  }
  items_.push_back({std::move(out), false, true});
  return *this;
}

Parameters& Parameters::numbers_or_nulls(std::span<const std::optional<std::int64_t>> values) {
  std::string out = array_head(kOidBigint, values.size());
  for (const auto& value : values) {
    append_big_endian(out, std::int32_t{value ? int{sizeof *value} : -1});
    if (value) append_big_endian(out, *value);
  }
  items_.push_back({std::move(out), false, true});
  return *this;
}

Parameters& Parameters::uuids(std::span<const std::string> values) {
  std::string out = array_head(kOidUuid, values.size());
  for (const std::string& value : values) {
    CORRAL_CHECK(is_uuid(value), "ids are checked where they come in");
    append_element(out, uuid_bytes(value));
  }
  items_.push_back({std::move(out), false, true});
  return *this;
}

std::size_t Parameters::bytes() const {
  std::size_t sum = 0;
  for (const Item& item : items_) sum += item.bytes.size();
  return sum;
}

// --- answers

std::string_view Answer::text(int row, int column) const {
  return {pq_->value(result_.get(), row, column),
          static_cast<std::size_t>(pq_->length(result_.get(), row, column))};
}

std::int64_t Answer::number(int row, int column) const {
  const std::string_view bytes = text(row, column);
  if (bytes.empty()) return 0;
  // Two's complement, of any width.
  std::uint64_t bits = static_cast<signed char>(bytes.front()) < 0 ? ~std::uint64_t{0} : 0;
  for (const char byte : bytes) bits = bits << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(bits);
}

std::string Answer::uuid(int row, int column) const {
  constexpr std::string_view kHex = "0123456789abcdef";
  const std::string_view bytes = text(row, column);
  CORRAL_CHECK(bytes.size() == kUuidBytes, "the column is a uuid");
  std::string out;
  out.reserve(36);
  for (std::size_t at = 0; at < kUuidBytes; ++at) {
    if (at == 4 || at == 6 || at == 8 || at == 10) out += '-';
    const auto byte = static_cast<unsigned char>(bytes[at]);
    out += kHex[byte >> 4];
    out += kHex[byte & 0xF];
  }
  return out;
}

int Answer::affected() const {
  const std::string_view digits = pq_->affected(result_.get());
  int count = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), count);
  return count;
}

// --- the session

Result<std::unique_ptr<Session>> Session::connect(std::shared_ptr<const Libpq> pq,
                                                  const std::string& conninfo,
                                                  Preparing preparing) {
  PgConnection* connection = pq->connect(conninfo.c_str());
  if (connection == nullptr) return Error{"libpq has no memory for a connection"};
  std::unique_ptr<Session> session(new Session(std::move(pq), connection, preparing));
  if (session->pq_->status(connection) != kPgConnectionOk) return session->error_of(nullptr);
  // A server's notices (a log level of the session, a collation's version) are none of ours.
  session->pq_->set_notice_processor(connection, [](void*, const char*) {}, nullptr);
  return session;
}

Session::~Session() { pq_->finish(connection_); }

Result<void> Session::prepare(const Statement& statement) {
  if (prepared_.contains(statement.name)) return {};
  Answer answer(pq_, pq_->prepare(connection_, statement.name, statement.sql.c_str(), 0, nullptr));
  sql_state_.clear();
  PgResult* const result = answer.result_.get();
  if (result == nullptr || pq_->result_status(result) != kPgCommandOk) return error_of(result);
  prepared_.insert(statement.name);
  return {};
}

Result<Answer> Session::run(const Statement& statement, const Parameters& parameters) {
  const std::size_t count = parameters.items_.size();
  std::vector<const char*> values(count);
  std::vector<int> lengths(count);
  std::vector<int> formats(count);
  for (std::size_t at = 0; at < count; ++at) {
    const Parameters::Item& item = parameters.items_[at];
    values[at] = item.is_null ? nullptr : item.bytes.c_str();
    lengths[at] = static_cast<int>(item.bytes.size());
    formats[at] = item.is_binary ? kBinary : 0;
  }
  const int number = static_cast<int>(count);
  PgResult* result = nullptr;
  if (preparing_ == Preparing::prepared) {
    if (Result<void> prepared = prepare(statement); !prepared) return prepared.error();
    result = pq_->exec_prepared(connection_, statement.name, number, values.data(), lengths.data(),
                                formats.data(), kBinary);
  } else {
    result = pq_->exec_params(connection_, statement.sql.c_str(), number, nullptr, values.data(),
                              lengths.data(), formats.data(), kBinary);
  }
  Answer answer(pq_, result);
  sql_state_.clear();
  const int status = result != nullptr ? pq_->result_status(result) : -1;
  if (status != kPgCommandOk && status != kPgTuplesOk) return error_of(result);
  return answer;
}

// One line, without what libpq adds for people at a terminal.
Error Session::error_of(const PgResult* result) {
  const char* text = result ? pq_->result_error_field(result, kPgMessagePrimary) : nullptr;
  const char* state = result ? pq_->result_error_field(result, kPgSqlState) : nullptr;
  sql_state_ = state != nullptr ? state : "";
  std::string message = text != nullptr ? text : pq_->error_message(connection_);
  while (!message.empty() && message.back() == '\n') message.pop_back();
  for (char& c : message) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return Error{message.empty() ? "the connection to PostgreSQL is gone" : message};
}

bool Session::refused_values() const {
  // Data exceptions, violated constraints, program limits (a row or a value too large).
  for (const std::string_view kind : {"22", "23", "54"}) {
    if (sql_state_.starts_with(kind)) return true;
  }
  return false;
}

Result<void> Session::listen() {
  if (pq_->consume_input(connection_) == 0) return error_of(nullptr);
  return {};
}

std::vector<std::string> Session::take_notifications() {
  std::vector<std::string> payloads;
  const int own = pq_->backend_pid(connection_);
  while (PgNotification* notification = pq_->notifies(connection_)) {
    if (notification->pid != own) payloads.emplace_back(notification->payload);
    pq_->free_memory(notification);
  }
  return payloads;
}

}  // namespace corral::tasks
