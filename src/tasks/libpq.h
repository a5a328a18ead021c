// libpq, the client library of PostgreSQL, found when it is first needed: nothing of it is needed
// to build or to install Corral (docs/adr/0011). The declarations are the part of its documented,
// stable interface (soname libpq.so.5) that the store calls.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace corral::tasks {

struct PgConnection;  // libpq's PGconn
struct PgResult;      // libpq's PGresult

// libpq's PGnotify.
struct PgNotification {
  char* channel;
  int pid;
  char* payload;
  PgNotification* next;
};

enum PgConnectionStatus { kPgConnectionOk = 0 };
enum PgResultStatus { kPgCommandOk = 1, kPgTuplesOk = 2 };
constexpr int kPgSqlState = 'C';        // PG_DIAG_SQLSTATE
constexpr int kPgMessagePrimary = 'M';  // PG_DIAG_MESSAGE_PRIMARY

// Constant after load(). The library stays loaded for the life of the process.
struct Libpq {
  // The first of `names` (paths, or sonames for the system's search) that loads and knows all
  // that `conninfo` says: an old one may lack an option. The error says what is wrong with each.
  static Result<std::shared_ptr<const Libpq>> load(std::span<const std::string> names,
                                                   const std::string& conninfo);

  void* (*parse_conninfo)(const char* conninfo, char** problem) = nullptr;
  void (*free_conninfo)(void* options) = nullptr;

  PgConnection* (*connect)(const char* conninfo) = nullptr;
  void (*finish)(PgConnection*) = nullptr;
  int (*status)(const PgConnection*) = nullptr;
  char* (*error_message)(const PgConnection*) = nullptr;
  int (*socket)(const PgConnection*) = nullptr;
  int (*backend_pid)(const PgConnection*) = nullptr;
  void* (*set_notice_processor)(PgConnection*, void (*)(void*, const char*), void*) = nullptr;
  PgResult* (*exec_params)(PgConnection*, const char* sql, int count, const unsigned* types,
                           const char* const* values, const int* lengths, const int* formats,
                           int result_format) = nullptr;
  PgResult* (*prepare)(PgConnection*, const char* name, const char* sql, int count,
                       const unsigned* types) = nullptr;
  PgResult* (*exec_prepared)(PgConnection*, const char* name, int count, const char* const* values,
                             const int* lengths, const int* formats, int result_format) = nullptr;
  int (*consume_input)(PgConnection*) = nullptr;
  PgNotification* (*notifies)(PgConnection*) = nullptr;
  void (*free_memory)(void*) = nullptr;
  int (*result_status)(const PgResult*) = nullptr;
  char* (*result_error_field)(const PgResult*, int field) = nullptr;
  int (*rows)(const PgResult*) = nullptr;
  char* (*value)(const PgResult*, int row, int column) = nullptr;
  int (*length)(const PgResult*, int row, int column) = nullptr;
  int (*is_null)(const PgResult*, int row, int column) = nullptr;
  char* (*affected)(PgResult*) = nullptr;
  void (*clear)(PgResult*) = nullptr;
};

}  // namespace corral::tasks
