#include "exec/worker.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"

namespace corral::exec {
namespace {

const char* state_name(WorkerState state) {
  switch (state) {
    case WorkerState::starting:
      return "starting";
    case WorkerState::ready:
      return "ready";
    case WorkerState::draining:
      return "draining";
    case WorkerState::ended:
      return "ended";
    case WorkerState::failed:
      return "failed";
    case WorkerState::not_needed:
      return "not needed";
    case WorkerState::abandoned:
      return "abandoned";
  }
  return "?";
}

bool may_follow(WorkerState from, WorkerState to) {
  switch (to) {
    case WorkerState::starting:
      return false;
    case WorkerState::ready:
    case WorkerState::failed:
    case WorkerState::not_needed:
      return from == WorkerState::starting;
    case WorkerState::draining:
      return from == WorkerState::ready;
    case WorkerState::ended:
      return from == WorkerState::draining || from == WorkerState::ready;
    case WorkerState::abandoned:
      return from == WorkerState::starting || from == WorkerState::ready ||
             from == WorkerState::draining;
  }
  return false;
}

// On Linux priority is per thread; a refusal (no permission) leaves it as it was, which is
// harmless.
void add_nice(int nice) {
  if (nice != 0) setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), nice);
}

}  // namespace

Worker::Worker(Options options, std::unique_ptr<Program> program, Log& log)
    : options_(std::move(options)), program_(std::move(program)), log_(log) {}

Worker::~Worker() {
  if (options_.watch != nullptr) options_.watch->remove(*this);
  if (state() != WorkerState::abandoned) {
    if (own_.joinable()) own_.join();
    return;
  }
  std::lock_guard lock(mutex_);
  own_.detach();
  for (Hand& hand : hands_) hand.thread.detach();
}

void Worker::start() {
  CORRAL_CHECK(!own_.joinable(), "a worker starts once");
  own_ = Thread(options_.name, [this] { live(); });
  if (options_.watch != nullptr) options_.watch->add(*this);
}

void Worker::drain() {
  if (state() == WorkerState::ready) enter(WorkerState::draining);
  program_->stop();
}

void Worker::relieve() {
  {
    std::lock_guard lock(mutex_);
    relieved_ = true;
    for (Hand& hand : hands_) {
      if (hand.post) hand.post->relieve();
    }
  }
  if (state() == WorkerState::ready) enter(WorkerState::draining);
}

bool Worker::abandon() {
  if (is_over()) return false;
  enter(WorkerState::abandoned);
  return true;
}

bool Worker::is_over() const {
  const WorkerState now = state();
  return now == WorkerState::ended || now == WorkerState::failed ||
         now == WorkerState::not_needed || now == WorkerState::abandoned;
}

std::string Worker::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

// The one place where a worker's state changes. An abandoned worker stays abandoned, whatever its
// threads do afterwards.
void Worker::enter(WorkerState next) {
  WorkerState from = state_.load(std::memory_order_acquire);
  do {
    if (from == WorkerState::abandoned || from == next) return;
    if (!may_follow(from, next)) {
      std::fprintf(stderr, "corral: bug: worker %s from %s to %s\n", options_.name.c_str(),
                   state_name(from), state_name(next));
      std::abort();
    }
  } while (!state_.compare_exchange_weak(from, next, std::memory_order_acq_rel));
  tell();
}

void Worker::tell() const {
  if (options_.on_change) options_.on_change();
}

void Worker::live() {
  unblock_inherited_signals();
  add_nice(options_.nice);
  std::unique_ptr<interp::PythonThread> own;
  auto interpreter = interp::Interpreter::create(options_.placement, own);
  if (!interpreter) return fail(interpreter.error());
  Result<Loaded> loaded = open(**interpreter);
  mind(**interpreter, *own);
  {
    interp::Attached attached(*own);
    program_->unload(attached);
  }
  (*interpreter)->end(std::move(own));
  if (!loaded) return fail(loaded.error());
  enter(*loaded == Loaded::ready ? WorkerState::ended : WorkerState::not_needed);
}

// Has the first thread load the program, and the others join it when that went well.
Result<Loaded> Worker::open(interp::Interpreter& interpreter) {
  add_hand(interpreter, options_.name + ".0", Entrance::loads);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return loaded_.has_value(); });
  Result<Loaded> loaded = *loaded_;
  lock.unlock();
  if (loaded && *loaded == Loaded::ready) {
    for (int index = 1; index < options_.threads; ++index) {
      add_hand(interpreter, options_.name + "." + std::to_string(index), Entrance::joins);
    }
    enter(WorkerState::ready);
  }
  lock.lock();
  is_open_ = true;
  changed_.notify_all();
  return loaded;
}

void Worker::fail(const Error& error) {
  {
    std::lock_guard lock(mutex_);
    failure_ = error.message;
  }
  enter(WorkerState::failed);
}

void Worker::add_hand(interp::Interpreter& interpreter, std::string name, Entrance entrance) {
  std::lock_guard lock(mutex_);
  Hand& hand = hands_.emplace_back();
  hand.name = std::move(name);
  hand.post = program_->make_post();
  if (hand.post && options_.watch != nullptr) hand.post->set_bell(&options_.watch->bell());
  hand.thread = Thread(
      hand.name, [this, &interpreter, &hand, entrance] { run_hand(interpreter, hand, entrance); });
}

void Worker::run_hand(interp::Interpreter& interpreter, Hand& hand, Entrance entrance) {
  unblock_inherited_signals();
  add_nice(options_.nice);
  {
    std::unique_ptr<interp::PythonThread> thread = interp::PythonThread::create(interpreter);
    {
      std::lock_guard lock(mutex_);
      hand.inside = thread.get();
    }
    if (prepare(*thread, entrance)) program_->run(*thread, hand.post.get());
    std::lock_guard lock(mutex_);
    hand.inside = nullptr;  // before the thread's state goes, which takes the GIL
  }
  leave(hand);
}

// False when the program is not to be run.
bool Worker::prepare(interp::PythonThread& thread, Entrance entrance) {
  if (entrance == Entrance::joins) {
    interp::Attached attached(thread);
    program_->enter_thread(attached);
    return true;
  }
  Result<Loaded> loaded = [&] {
    interp::Attached attached(thread);
    return program_->load(attached);
  }();
  std::unique_lock lock(mutex_);
  loaded_ = loaded;
  changed_.notify_all();
  changed_.wait(lock, [this] { return is_open_; });
  return loaded && *loaded == Loaded::ready;
}

// The thread's last words: the worker's own one joins it and erases the hand.
void Worker::leave(Hand& hand) {
  Service before = Service::serving;
  bool leaves_abandoned = false;
  {
    std::lock_guard lock(mutex_);
    before = std::exchange(hand.service, Service::left);
    leaves_abandoned = std::any_of(hands_.begin(), hands_.end(), [](const Hand& other) {
      return other.service == Service::abandoned;
    });
    changed_.notify_all();
  }
  if (before == Service::abandoned)
    log_.info("an abandoned thread has come back and ended", {{"thread", hand.name}});
  if (before == Service::abandoned || leaves_abandoned) tell();
}

// The own thread between the opening and the end: runs errands until all others have left.
void Worker::mind(interp::Interpreter& interpreter, interp::PythonThread& own) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!visits_.empty()) {
      lock.unlock();
      visit(interpreter, own);
      lock.lock();
      continue;
    }
    std::list<Hand> left = take_left();
    if (!left.empty()) {
      lock.unlock();  // their last words may call into our owner
      for (Hand& hand : left) hand.thread.join();
      left.clear();
      lock.lock();
      continue;
    }
    if (hands_.empty()) return;
    changed_.wait(lock);
  }
}

std::list<Worker::Hand> Worker::take_left() {
  std::list<Hand> left;
  for (auto hand = hands_.begin(); hand != hands_.end();) {
    const auto next = std::next(hand);
    if (hand->service == Service::left) left.splice(left.end(), hands_, hand);
    hand = next;
  }
  return left;
}

}  // namespace corral::exec
