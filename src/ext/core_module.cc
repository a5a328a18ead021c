// corral._core, in the main interpreter of the supervisor, the engine and the worker processes: the
// way from Python into C++ and back at the very end. Each function gives the interpreter up for as
// long as it runs.
#include <Python.h>

#include <unistd.h>

#include <csignal>

#include "base/thread.h"
#include "control/channel.h"
#include "engine/engine.h"
#include "ext/dict_reader.h"
#include "ext/guest_module.h"
#include "supervisor/supervisor.h"

namespace corral::ext {
namespace {

Log::Options read_log(DictReader log, const std::string& program) {
  Log::Options options;
  options.program = program;
  parse_log_level(log.text("level"), options.level);
  options.format = log.text("format") == "json" ? LogFormat::json : LogFormat::text;
  log.maybe("access_fd", options.access_fd);
  return options;
}

supervisor::ProcessSpec read_process(PyObject* item) {
  DictReader process(item);
  supervisor::ProcessSpec spec;
  spec.name = process.text("name");
  spec.config = process.text("config");
  spec.count = static_cast<int>(process.number("count"));
  process.list("argv", [&](PyObject* word) { spec.argv.push_back(to_text(word)); });
  return spec;
}

supervisor::Plan read_plan(DictReader& plan) {
  supervisor::Plan result;
  plan.list("processes", [&](PyObject* item) { result.processes.push_back(read_process(item)); });
  plan.list("listen_fds", [&](PyObject* item) { result.listen_fds.push_back(PyLong_AsInt(item)); });
  plan.list("addresses", [&](PyObject* item) { result.addresses.push_back(to_text(item)); });
  result.few_descriptors = plan.text("few_descriptors");
  result.wake_fd = static_cast<int>(plan.number("wake_fd"));
  result.grace_ms = plan.number("grace_ms");
  plan.maybe("boot_max_ms", result.boot_max_ms);
  plan.maybe("backoff_max_ms", result.backoff_max_ms);
  return result;
}

PyObject* supervise(PyObject*, PyObject* argument) {
  DictReader reader(argument);
  supervisor::Plan plan = read_plan(reader);
  const Log::Options options = read_log(reader.dict("log"), "supervisor");
  plan.access_fd = options.access_fd;
  if (!DictReader::ok()) return nullptr;
  int code = 0;
  Py_BEGIN_ALLOW_THREADS Log log(options);
  code = supervisor::run(plan, log);
  Py_END_ALLOW_THREADS return PyLong_FromLong(code);
}

PyObject* receive_config(PyObject*, PyObject* argument) {
  const int fd = PyLong_AsInt(argument);
  if (fd == -1 && PyErr_Occurred()) return nullptr;
  std::optional<control::Message> message;
  Py_BEGIN_ALLOW_THREADS
      // A copy: the descriptor itself stays open for run_engine().
      control::Channel channel{Fd(::dup(fd))};
  message = channel.receive(-1);
  Py_END_ALLOW_THREADS if (!message || message->kind != control::Kind::config) {
    PyErr_SetString(PyExc_ConnectionError, "the supervisor sent no configuration");
    return nullptr;
  }
  return PyUnicode_FromStringAndSize(message->text.data(),
                                     static_cast<Py_ssize_t>(message->text.size()));
}

engine::GroupConfig read_group(PyObject* item) {
  DictReader group(item);
  engine::GroupConfig config;
  config.name = group.text("name");
  const std::string role = group.text("role");
  config.role = role == "tasks"     ? engine::Role::tasks
                : role == "command" ? engine::Role::command
                                    : engine::Role::web;
  config.workers = static_cast<int>(group.number("workers"));
  config.threads = static_cast<int>(group.number("threads"));
  config.placement = group.text("placement") == "main" ? interp::Placement::main
                                                       : interp::Placement::sub_interpreter;
  group.maybe("nice", config.nice);
  config.multiprocess = group.has("multiprocess") ? group.flag("multiprocess") : config.workers > 1;
  config.load = group.text("load");
  return config;
}

UnderscoreHeaders read_underscore_headers(DictReader& limits) {
  const std::string word = limits.text("underscore_headers");
  return word == "refuse" ? UnderscoreHeaders::refuse
         : word == "pass" ? UnderscoreHeaders::pass
                          : UnderscoreHeaders::drop;
}

void read_limits(DictReader limits, engine::EngineConfig& config) {
  limits.maybe("request_line_bytes_max", config.http.request_line_bytes_max);
  limits.maybe("header_bytes_max", config.http.header_bytes_max);
  limits.maybe("header_count_max", config.http.header_count_max);
  limits.maybe("body_bytes_max", config.http.body_bytes_max);
  limits.maybe("body_memory_bytes_max", config.http.body_memory_bytes_max);
  limits.maybe("body_memory_total_bytes_max", config.http.body_memory_total_bytes_max);
  if (limits.has("body_folder")) config.http_options.body_folder = limits.text("body_folder");
  if (limits.has("server_header")) config.http_options.server_header = limits.text("server_header");
  if (limits.has("forwarded_allow_ips"))
    config.http_options.forwarded_allow_ips = limits.text("forwarded_allow_ips");
  if (limits.has("underscore_headers"))
    config.http.underscore_headers = read_underscore_headers(limits);
  limits.maybe("connections_max", config.http.connections_max);
  limits.maybe("header_time_max_ms", config.http.header_time_max_ms);
  limits.maybe("body_idle_max_ms", config.http.body_idle_max_ms);
  limits.maybe("body_rate_min", config.http.body_rate_min);
  limits.maybe("keep_alive_requests_max", config.http.keep_alive_requests_max);
  limits.maybe("write_rate_min", config.http.write_rate_min);
  limits.maybe("keep_alive_max_ms", config.http.keep_alive_max_ms);
  limits.maybe("write_stall_max_ms", config.http.write_stall_max_ms);
  limits.maybe("unsent_bytes_max", config.http.unsent_bytes_max);
  limits.maybe("unsent_total_bytes_max", config.http.unsent_total_bytes_max);
  limits.maybe("unsent_files_total_bytes_max", config.http.unsent_files_total_bytes_max);
  limits.maybe("queue_depth_max", config.admission.queue_depth_max);
  limits.maybe("queue_wait_max_ms", config.admission.queue_wait_max_ms);
  limits.maybe("overload_wait_max_ms", config.admission.overload_wait_max_ms);
  limits.maybe("retry_after_s", config.admission.retry_after_s);
  limits.maybe("request_time_max_ms", config.requests.request_time_max_ms);
  limits.maybe("slow_request_ms", config.requests.slow_request_ms);
  limits.maybe("prefetch_max", config.tasks.prefetch_max);
  limits.maybe("claim_batch_max", config.tasks.claim_batch_max);
  limits.maybe("finish_batch_max", config.tasks.finish_batch_max);
  limits.maybe("finish_delay_max_ms", config.tasks.finish_delay_max_ms);
  limits.maybe("poll_interval_ms", config.tasks.poll_interval_ms);
  limits.maybe("node_lease_ms", config.tasks.node_lease_ms);
}

engine::EngineConfig read_engine(DictReader& reader) {
  engine::EngineConfig config;
  config.name = reader.text("name");
  config.wake_fd = static_cast<int>(reader.number("wake_fd"));
  if (reader.has("node")) config.node = reader.text("node");
  reader.list("listen_fds",
              [&](PyObject* item) { config.listen_fds.push_back(PyLong_AsInt(item)); });
  reader.list("groups", [&](PyObject* item) { config.groups.push_back(read_group(item)); });
  read_limits(reader.dict("limits"), config);
  config.log = read_log(reader.dict("log"), config.name);
  return config;
}

PyObject* run_engine(PyObject*, PyObject* arguments) {
  int fd = -1;
  PyObject* dict = nullptr;
  if (!PyArg_ParseTuple(arguments, "iO!:run_engine", &fd, &PyDict_Type, &dict)) return nullptr;
  DictReader reader(dict);
  engine::EngineConfig config = read_engine(reader);
  if (!DictReader::ok()) return nullptr;
  PyModuleDef* guest = guest_definition();
  int code = 0;
  Py_BEGIN_ALLOW_THREADS
  // Signals are the supervisor's: those sent to the whole process group must not end a worker.
  disarm_steering_signals();
  std::signal(SIGPIPE, SIG_IGN);
  block_signals();
  {
    Log log(config.log);
    engine::Engine engine(std::move(config), guest, control::Channel(Fd(fd)), log);
    code = engine.run();
  }
  Py_END_ALLOW_THREADS return PyLong_FromLong(code);
}

PyMethodDef methods[] = {{"supervise", supervise, METH_O,
                          "supervise(plan: dict) -> int\n\nRuns the supervisor until it is "
                          "stopped; returns the exit code."},
                         {"receive_config", receive_config, METH_O,
                          "receive_config(control_fd: int) -> str\n\nThe configuration that the "
                          "supervisor sends to a new child."},
                         {"run_engine", run_engine, METH_VARARGS,
                          "run_engine(control_fd: int, config: dict) -> int\n\nRuns the engine "
                          "until it has drained; returns the exit code."},
                         {nullptr, nullptr, 0, nullptr}};

PyModuleDef_Slot slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED}, {0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "corral._core",
                          "The engine and the supervisor (C++).",
                          0,
                          methods,
                          slots,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace
}  // namespace corral::ext

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&corral::ext::definition); }
