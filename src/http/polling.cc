#include "http/polling.h"

#include <chrono>

namespace corral::http {
namespace {

// The standby looks so often whether somebody polls.
constexpr std::chrono::milliseconds kTick{1};
// While no worker is idle, requests can as well wait in their sockets.
constexpr int kBusyTicks = 5;
constexpr Milliseconds kOccupiedMs = 5;
// After so many ticks in which a worker only waited for events, the standby sleeps until it leaves.
constexpr int kQuietTicks = 20;
// To wake a thread costs about 4 microseconds of CPU.
constexpr std::int64_t kLongRunNs = 25'000;
constexpr int kRunWeight = 16;  // of the past against the last run

// What the calling thread has taken and not come back from.
struct Runs {
  std::int64_t begun_ns = 0;
  int count = 0;
};
thread_local Runs runs;

}  // namespace

Polling::Polling(net::EventLoop& loop, Queue& queue, Options options)
    : loop_(loop), queue_(queue), options_(std::move(options)) {}

bool Polling::try_hold() {
  if (held_.load(std::memory_order_relaxed) || held_.exchange(true)) return false;
  poller_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  return true;
}

void Polling::let_go() {
  poller_.store({}, std::memory_order_relaxed);
  held_.store(false);
  if (asleep_.load()) wake_standby();
}

void Polling::wake_standby() {
  std::lock_guard lock(mutex_);
  asleep_.store(false);
  awake_.notify_one();
}

bool Polling::are_runs_short() const {
  return run_ns_.load(std::memory_order_relaxed) <= kLongRunNs;
}

bool Polling::ask_for_look() {
  if (!is_look_wanted_.load()) is_look_wanted_.store(true);
  if (standby_polls_.load()) return false;
  if (asleep_.load()) wake_standby();
  return true;
}

bool Polling::is_poller() const {
  return poller_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

dispatch::Admission Polling::push(Exchange& exchange) {
  const bool by_worker = standby_.load(std::memory_order_relaxed) != std::this_thread::get_id();
  return queue_.push(exchange, by_worker ? dispatch::Pusher::pops_next : dispatch::Pusher::goes_on);
}

void Polling::wake() {
  queue_.wake_all();
  loop_.wake();
}

// --- a worker's thread

std::optional<Polling::Queue::Taken> Polling::take(const std::atomic<bool>& leaves) {
  note_runs();
  for (;;) {
    if (leaves.load(std::memory_order_acquire)) return std::nullopt;
    std::optional<Queue::Taken> taken = queue_.try_pop();
    if (!taken && queue_.is_over()) return taken;
    if (!taken && try_hold()) taken = poll_for_one(leaves);
    if (taken) {
      runs = {monotonic_ns(), 1};
      takes_.fetch_add(1, std::memory_order_relaxed);
      return taken;
    }
    idle_.fetch_add(1);
    if (options_.standby_hears_of_idle && standby_polls_.load()) loop_.wake();
    queue_.wait(leaves);
    idle_.fetch_sub(1);
  }
}

std::optional<Polling::Queue::Taken> Polling::try_take() {
  std::optional<Queue::Taken> taken = queue_.try_pop();
  if (taken) {
    ++runs.count;
    takes_.fetch_add(1, std::memory_order_relaxed);
  }
  return taken;
}

// With the baton; without it afterwards.
std::optional<Polling::Queue::Taken> Polling::poll_for_one(const std::atomic<bool>& leaves) {
  std::optional<Queue::Taken> taken = queue_.try_pop();
  while (!taken && !queue_.is_over() && !leaves.load(std::memory_order_acquire)) {
    tell_free(true);
    loop_.poll(net::EventLoop::kUntilEvent);
    turns_.fetch_add(1, std::memory_order_relaxed);
    taken = queue_.try_pop();
  }
  tell_free(false);
  let_go();
  if (!taken || !are_runs_short()) queue_.wake_one();
  return taken;
}

void Polling::tell_free(bool is_free) {
  if (options_.is_free != nullptr)
    options_.is_free->store(is_free ? 1 : 0, std::memory_order_relaxed);
}

void Polling::note_runs() {
  if (runs.count == 0) return;
  const std::int64_t run_ns = (monotonic_ns() - runs.begun_ns) / runs.count;
  const std::int64_t mean_ns = run_ns_.load(std::memory_order_relaxed);
  run_ns_.store(mean_ns + (run_ns - mean_ns) / kRunWeight, std::memory_order_relaxed);
  runs = {};
}

// --- io-0

void Polling::stand_by() {
  standby_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  while (!stopping_.load()) {
    rest_for_a_tick();
    look_if_asked();
    if (is_unattended() && try_hold()) poll_for_busy_workers();
    if (quiet_ticks_ > kQuietTicks) sleep_while_others_poll();
  }
}

void Polling::stop() {
  stopping_.store(true);
  loop_.wake();
  wake_standby();
}

void Polling::rest_for_a_tick() {
  std::unique_lock lock(mutex_);
  awake_.wait_for(lock, kTick, [this] { return stopping_.load(); });
}

void Polling::look_if_asked() {
  if (is_look_wanted_.load() && is_look_wanted_.exchange(false)) options_.on_look();
}

// Whether nobody polls and nobody has for long enough.
bool Polling::is_unattended() {
  note_takes();
  const std::uint64_t turns = turns_.load(std::memory_order_relaxed);
  const bool is_polled = std::exchange(turns_seen_, turns) != turns;
  const bool is_held = held_.load(std::memory_order_relaxed);
  quiet_ticks_ = is_held && !is_polled ? quiet_ticks_ + 1 : 0;
  unattended_ticks_ = is_held || is_polled ? 0 : unattended_ticks_ + 1;
  const int patience = queue_.sleeping_threads() > 0 ? 1 : kBusyTicks;
  return unattended_ticks_ >= patience;
}

void Polling::note_takes() {
  const std::uint64_t takes = takes_.load(std::memory_order_relaxed);
  if (std::exchange(takes_seen_, takes) != takes) taken_ms_ = monotonic_ms();
}

bool Polling::is_occupied() {
  note_takes();
  return !has_idle_worker() && monotonic_ms() - taken_ms_ >= kOccupiedMs;
}

void Polling::sleep_while_others_poll() {
  quiet_ticks_ = 0;
  asleep_.store(true);
  if (!held_.load() || is_look_wanted_.load()) return asleep_.store(false);
  std::unique_lock lock(mutex_);
  awake_.wait(lock, [this] { return !asleep_.load() || stopping_.load(); });
}

// Until a request has woken a worker that will poll when it is done.
void Polling::poll_for_busy_workers() {
  options_.on_standby_begin();
  standby_polls_.store(true);
  look_if_asked();
  for (bool is_woken = false; !is_woken && !stopping_.load();) {
    const std::size_t sleeping = queue_.sleeping_threads();
    loop_.poll(options_.standby_turn_max_ms);
    turns_.fetch_add(1, std::memory_order_relaxed);
    options_.on_standby_turn();
    is_woken = queue_.sleeping_threads() < sleeping;
  }
  standby_polls_.store(false);
  options_.on_standby_end();
  let_go();
  unattended_ticks_ = 0;
}

}  // namespace corral::http
