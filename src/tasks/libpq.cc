#include "tasks/libpq.h"

#include <dlfcn.h>

namespace corral::tasks {
namespace {

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

bool find_all(void* library, Libpq& pq) {
  return find(library, "PQconninfoParse", pq.parse_conninfo) &&
         find(library, "PQconninfoFree", pq.free_conninfo) &&
         find(library, "PQconnectdb", pq.connect) && find(library, "PQfinish", pq.finish) &&
         find(library, "PQstatus", pq.status) &&
         find(library, "PQerrorMessage", pq.error_message) &&
         find(library, "PQsocket", pq.socket) && find(library, "PQbackendPID", pq.backend_pid) &&
         find(library, "PQsetNoticeProcessor", pq.set_notice_processor) &&
         find(library, "PQexecParams", pq.exec_params) && find(library, "PQprepare", pq.prepare) &&
         find(library, "PQexecPrepared", pq.exec_prepared) &&
         find(library, "PQconsumeInput", pq.consume_input) &&
         find(library, "PQnotifies", pq.notifies) && find(library, "PQfreemem", pq.free_memory) &&
         find(library, "PQresultStatus", pq.result_status) &&
         find(library, "PQresultErrorField", pq.result_error_field) &&
         find(library, "PQntuples", pq.rows) && find(library, "PQgetvalue", pq.value) &&
         find(library, "PQgetlength", pq.length) && find(library, "PQgetisnull", pq.is_null) &&
         find(library, "PQcmdTuples", pq.affected) && find(library, "PQclear", pq.clear);
}

// Empty where the library takes it. What libpq says names options, not their values.
std::string problem_with(const Libpq& pq, const std::string& conninfo) {
  char* said = nullptr;
  void* options = pq.parse_conninfo(conninfo.c_str(), &said);
  if (options != nullptr) {
    pq.free_conninfo(options);
    return {};
  }
  std::string problem = said != nullptr ? said : "no memory";
  if (said != nullptr) pq.free_memory(said);
  while (!problem.empty() && problem.back() == '\n') problem.pop_back();
  return problem;
}

}  // namespace

Result<std::shared_ptr<const Libpq>> Libpq::load(std::span<const std::string> names,
                                                 const std::string& conninfo) {
  std::string why = names.empty() ? "no place of libpq is known" : "";
  for (const std::string& name : names) {
    if (!why.empty()) why += "; ";
    // Local: psycopg may have brought another copy, whose symbols have the same names. Never
    // closed: libraries below it register handlers for the end of the process.
    void* library = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) {
      const char* reason = ::dlerror();
      why += reason != nullptr ? reason : name;
      continue;
    }
    auto pq = std::make_shared<Libpq>();
    const std::string problem =
        find_all(library, *pq) ? problem_with(*pq, conninfo) : "it lacks functions of libpq";
    if (problem.empty()) return std::shared_ptr<const Libpq>(std::move(pq));
    why += name + ": " + problem;
  }
  return Error{why};
}

}  // namespace corral::tasks
