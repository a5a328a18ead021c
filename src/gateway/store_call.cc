#include "gateway/store_call.h"

#include "base/check.h"
#include "gateway/python_error.h"

namespace corral::gateway {
namespace {

using interp::Ref;

bool read_job(PyObject* tuple, tasks::Job& job) {
  const char *id = nullptr, *queue = nullptr, *payload = nullptr;
  Py_ssize_t payload_size = 0;
  long long lease = 0;
  int at_most_once = 0;
  if (!PyArg_ParseTuple(tuple, "sLsiy#p:claim", &id, &lease, &queue, &job.crashes, &payload,
                        &payload_size, &at_most_once)) {
    return false;
  }
  job.at_most_once = at_most_once != 0;
  job.id = id;
  job.lease = lease;
  job.queue = queue;
  job.payload.assign(payload, static_cast<std::size_t>(payload_size));
  return true;
}

Ref to_tuple(const tasks::Outcome& outcome) {
  return Ref::steal(
      Py_BuildValue("(sLOy#)", outcome.id.c_str(), static_cast<long long>(outcome.lease),
                    outcome.status == tasks::JobStatus::successful ? Py_True : Py_False,
                    outcome.result.data(), static_cast<Py_ssize_t>(outcome.result.size())));
}

Ref to_tuple(const tasks::Job& job) {
  return Ref::steal(Py_BuildValue("(sL)", job.id.c_str(), static_cast<long long>(job.lease)));
}

template <typename Item>
Ref to_list(std::span<const Item> items) {
  Ref list = Ref::steal(PyList_New(0));
  for (const Item& item : items) {
    Ref tuple = to_tuple(item);
    if (!list || !tuple || PyList_Append(list.get(), tuple.get()) != 0) return {};
  }
  return list;
}

}  // namespace

StoreCall::~StoreCall() = default;

void StoreCall::configure(std::string store_config) {
  std::lock_guard lock(mutex_);
  config_ = std::move(store_config);
}

bool StoreCall::configured() const {
  std::lock_guard lock(mutex_);
  return !config_.empty();
}

void StoreCall::around_thread(const std::function<void()>& body) {
  auto interpreter = interp::Interpreter::create(interp::Placement::sub_interpreter, thread_);
  if (interpreter) {
    interpreter_ = std::move(*interpreter);
  } else {
    broken_ = interpreter.error();
  }
  body();
  if (!interpreter_) return;
  {
    interp::Attached attached(*thread_);
    store_.reset();
    guest_.reset();
  }
  interpreter_->end(std::move(thread_));
  interpreter_.reset();
}

Result<void> StoreCall::load(interp::Attached& attached) {
  guest_ = install_guest(attached, context_.guest, *context_.host, context_.worker_name);
  Ref site = guest_ ? Ref::steal(PyImport_ImportModule("corral.site")) : Ref();
  Ref prepared =
      site ? Ref::steal(PyObject_CallMethod(site.get(), "prepare", "s", context_.load.c_str()))
           : Ref();
  Ref module = prepared ? Ref::steal(PyImport_ImportModule("corral.tasks.store")) : Ref();
  if (module) {
    std::lock_guard lock(mutex_);
    store_ =
        Ref::steal(PyObject_CallMethod(module.get(), "open_store", "y#s", config_.data(),
                                       static_cast<Py_ssize_t>(config_.size()), node_.c_str()));
  }
  if (!store_) return Error{take_boot_failure(attached)};
  return {};
}

Error StoreCall::take_error(interp::Attached& attached, const char* method) {
  const PythonError error = take_python_error(attached);
  context_.log->debug("the job store raised", {{"call", method}, {"traceback", error.traceback}});
  return Error{error.summary};
}

// Calls a store method of at most one argument that returns a number, a bool or None.
Result<long> StoreCall::call_number(interp::Attached& attached, const char* method,
                                    PyObject* argument) {
  Ref result =
      Ref::steal(argument != nullptr ? PyObject_CallMethod(store_.get(), method, "O", argument)
                                     : PyObject_CallMethod(store_.get(), method, nullptr));
  if (!result) return take_error(attached, method);
  if (result.get() == Py_None) return 0;
  const long number = PyLong_AsLong(result.get());
  if (number == -1 && PyErr_Occurred()) return take_error(attached, method);
  return number;
}

Result<int> StoreCall::open() {
  if (!thread_) return broken_;
  interp::Attached attached(*thread_);
  if (!store_) {
    if (Result<void> loaded = load(attached); !loaded) return loaded.error();
  }
  watch_.reset();
  Result<long> rescued = call_number(attached, "open", nullptr);
  if (!rescued) return rescued.error();
  if (Result<void> watched = watch_files(attached); !watched) return watched.error();
  return static_cast<int>(*rescued);
}

// Without a watch other programs' commits are noticed at the next poll.
Result<void> StoreCall::watch_files(interp::Attached& attached) {
  Ref paths = Ref::steal(PyObject_CallMethod(store_.get(), "files", nullptr));
  if (!paths || !PyList_Check(paths.get())) return take_error(attached, "files");
  std::vector<std::string> names;
  for (Py_ssize_t index = 0; index < PyList_GET_SIZE(paths.get()); ++index) {
    const char* name = PyBytes_AsString(PyList_GET_ITEM(paths.get(), index));
    if (name == nullptr) return take_error(attached, "files");
    names.emplace_back(name);
  }
  if (names.empty()) return {};
  Result<FileWatch> watch = FileWatch::open(names);
  if (watch) {
    watch_.emplace(std::move(*watch));
  } else {
    context_.log->debug(
        "the database file is not watched: commits of other programs are noticed "
        "by polling",
        {{"error", watch.error().message}});
  }
  return {};
}

// Not changed(): the file is written to just before the commit can be seen, which only the look
// that follows is late enough for (Claimer::heard). Our own writes are news too; looking for them
// changes nothing.
Result<bool> StoreCall::hear() { return watch_ && watch_->take(); }

Result<tasks::Claim> StoreCall::claim(int limit, Suspects suspects) {
  interp::Attached attached(*thread_);
  Ref result = Ref::steal(PyObject_CallMethod(store_.get(), "claim", "iO", limit,
                                              suspects == Suspects::one ? Py_True : Py_False));
  PyObject* jobs = nullptr;
  long long next_due_ms = -1;
  if (!result || !PyArg_ParseTuple(result.get(), "O!L:claim", &PyList_Type, &jobs, &next_due_ms)) {
    return take_error(attached, "claim");
  }
  tasks::Claim claim;
  claim.next_due_ms = next_due_ms;
  for (Py_ssize_t index = 0; index < PyList_GET_SIZE(jobs); ++index) {
    if (!read_job(PyList_GET_ITEM(jobs, index), claim.jobs.emplace_back())) {
      return take_error(attached, "claim");
    }
  }
  return claim;
}

Result<int> StoreCall::finish(std::span<const tasks::Outcome> outcomes) {
  interp::Attached attached(*thread_);
  Ref list = to_list(outcomes);
  if (!list) return take_error(attached, "finish");
  Result<long> late = call_number(attached, "finish", list.get());
  if (!late) return late.error();
  return static_cast<int>(*late);
}

Result<void> StoreCall::release(std::span<const tasks::Job> jobs) {
  interp::Attached attached(*thread_);
  Ref list = to_list(jobs);
  if (!list) return take_error(attached, "release");
  Result<long> released = call_number(attached, "release", list.get());
  if (!released) return released.error();
  return {};
}

Result<int> StoreCall::beat() {
  interp::Attached attached(*thread_);
  Result<long> rescued = call_number(attached, "beat", nullptr);
  if (!rescued) return rescued.error();
  return static_cast<int>(*rescued);
}

Result<std::vector<tasks::Store::Held>> StoreCall::cancelled() {
  interp::Attached attached(*thread_);
  Ref list = Ref::steal(PyObject_CallMethod(store_.get(), "cancelled", nullptr));
  if (!list || !PyList_Check(list.get())) return take_error(attached, "cancelled");
  std::vector<Held> ours;
  for (Py_ssize_t index = 0; index < PyList_GET_SIZE(list.get()); ++index) {
    const char* id = nullptr;
    long long lease = 0;
    if (!PyArg_ParseTuple(PyList_GET_ITEM(list.get(), index), "sL:cancelled", &id, &lease))
      return take_error(attached, "cancelled");
    ours.push_back({id, lease});
  }
  return ours;
}

Result<int> StoreCall::prune(int limit) {
  interp::Attached attached(*thread_);
  Ref batch = Ref::steal(PyLong_FromLong(limit));
  if (!batch) return take_error(attached, "prune");
  Result<long> pruned = call_number(attached, "prune", batch.get());
  if (!pruned) return pruned.error();
  return static_cast<int>(*pruned);
}

Result<Milliseconds> StoreCall::next_tick_ms() {
  interp::Attached attached(*thread_);
  Result<long> wait_ms = call_number(attached, "next_tick_ms", nullptr);
  if (!wait_ms) return wait_ms.error();
  return *wait_ms;
}

Result<bool> StoreCall::changed() {
  interp::Attached attached(*thread_);
  Result<long> changed = call_number(attached, "changed", nullptr);
  if (!changed) return changed.error();
  return *changed != 0;
}

void StoreCall::close() {
  if (!thread_ || !store_) return;
  interp::Attached attached(*thread_);
  Result<long> closed = call_number(attached, "close", nullptr);
  if (closed) return;
  context_.log->warning(511,
                        "the job store did not close cleanly; the node's row expires by itself",
                        {{"error", closed.error().message}});
}

}  // namespace corral::gateway
