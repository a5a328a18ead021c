// What an engine process is told to be. ext/core_module.cc fills it from the dict that
// python/corral/boot.py hands over.
#pragma once

#include <string>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "interp/interpreter.h"

namespace corral::engine {

enum class Role { web, tasks, command };

struct GroupConfig {
  std::string name;
  Role role = Role::web;
  int workers = 1;
  int threads = 1;
  interp::Placement placement = interp::Placement::sub_interpreter;
  int nice = 0;
  bool multiprocess = false;  // other workers run the same application, here or in other processes
  std::string load;           // JSON for the Python loaders
};

struct EngineConfig {
  std::string name = "engine";
  std::vector<int> listen_fds;  // become the engine's own
  int wake_fd = -1;             // the node's eventfd, inherited; -1: none
  std::string node;             // JSON: who this incarnation is, for the job store
  std::vector<GroupConfig> groups;
  HttpLimits http;
  HttpOptions http_options;
  AdmissionLimits admission;
  RequestLimits requests;  // of every web group
  TaskLimits tasks;
  Log::Options log;
};

}  // namespace corral::engine
