#include "tasks/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <limits>
#include <mutex>
#include <optional>
#include <random>
#include <string>

#include "base/check.h"
#include "base/fd.h"
#include "base/thread.h"
#include "tasks/canceller.h"
#include "tasks/claimer.h"
#include "tasks/finisher.h"

namespace corral::tasks {
namespace {

constexpr Milliseconds kPauseMinMs = 100;
constexpr Milliseconds kPauseMaxMs = 5'000;
// A beat looks after the other nodes too, and a silent one is dead after some looks: the spans are
// those of witness.h. Every beat is a query; the store renews the lease in some of them.
constexpr int kBeatsPerLease = 15;
constexpr int kRenewalsPerLease = 5;
constexpr int kSuspectLooksPerLease = 3;
constexpr Milliseconds kPruneAgainMs = 100;  // after a full batch; other calls go in between

enum class Life { fresh, booting, running, draining, stopped };

const char* name_of(Life life) {
  constexpr std::array names{"fresh", "booting", "running", "draining", "stopped"};
  return names[static_cast<std::size_t>(life)];
}

bool is_step(Life from, Life to) {
  if (to == Life::stopped) return from == Life::booting || from == Life::draining;
  return from != Life::stopped && static_cast<int>(to) == static_cast<int>(from) + 1;
}

// The database is away: since when, and when to try again. Pauses double, with jitter so that nodes
// do not come back in step, until a call succeeds.
class Outage {
 public:
  // Pauses are no longer than `pause_max_ms`.
  explicit Outage(Milliseconds pause_max_ms) : pause_max_ms_(pause_max_ms) {}

  bool is_on() const { return since_ms_.has_value(); }
  Milliseconds retry_at_ms() const { return retry_at_ms_; }

  // Returns the pause until the next try.
  Milliseconds extend(Milliseconds now_ms) {
    pause_ms_ = is_on() ? std::min(pause_ms_ * 2, pause_max_ms_) : kPauseMinMs;
    if (!is_on()) since_ms_ = now_ms;
    const Milliseconds jittered =
        pause_ms_ * std::uniform_int_distribution<int>(75, 100)(random_) / 100;
    retry_at_ms_ = now_ms + jittered;
    return jittered;
  }

  // Returns how long it was.
  Milliseconds end(Milliseconds now_ms) {
    const Milliseconds span_ms = now_ms - since_ms_.value_or(now_ms);
    since_ms_.reset();
    return span_ms;
  }

 private:
  const Milliseconds pause_max_ms_;
  std::optional<Milliseconds> since_ms_;
  Milliseconds pause_ms_ = kPauseMinMs;
  Milliseconds retry_at_ms_ = 0;
  std::minstd_rand random_{static_cast<unsigned>(monotonic_ns())};
};

// A node that is back from an outage must renew its lease before others take it for dead.
Milliseconds pause_max_ms(const TaskLimits& limits) {
  return std::clamp(limits.node_lease_ms / kRenewalsPerLease, kPauseMinMs, kPauseMaxMs);
}

// The sum of what was written to it.
std::uint64_t clear_eventfd(int fd) {
  std::uint64_t count = 0;
  const auto got = ::read(fd, &count, sizeof count);  // EAGAIN: another generation was faster
  return got == sizeof count ? count : 0;
}

}  // namespace

struct Keeper::Impl {
  Impl(Store& store_, Options options_, Log& log_, dispatch::Queue<Job>& ready)
      : store(store_),
        options(std::move(options_)),
        log(log_),
        claimer(store_, ready, options.threads, options.limits),
        canceller(store_, claimer, options.interrupt, options.limits.poll_interval_ms),
        finisher(store_, options.limits),
        outage(pause_max_ms(options.limits)) {}

  // Any thread.
  void rouse();

  // Keeper thread, in the order of its life.
  void live();
  bool boot();
  void step();
  void sleep();
  void leave(dispatch::Queue<Job>& ready);

  void begin_drain();
  bool do_work(Milliseconds now_ms);
  bool exchange_news(Milliseconds now_ms);
  bool reopen(Milliseconds now_ms);
  bool beat(Milliseconds now_ms);
  int collect(Milliseconds now_ms);
  bool write_outcomes(Milliseconds now_ms);
  Milliseconds prune_due_at(Milliseconds now_ms) const;
  bool prune(Milliseconds now_ms);
  bool is_settled() const;
  void stop();
  void report_rescued(int rescued);
  bool fail(const char* call, const Error& error, Milliseconds now_ms);
  Milliseconds wake_at(Milliseconds now_ms) const;
  bool is_drain_asked() const { return drain_at_ms.load() != kNever; }
  void enter(Life next);

  Store& store;
  const Options options;
  Log& log;
  Claimer claimer;
  Canceller canceller;
  Finisher finisher;

  Fd wake_fd;                       // constant after start()
  std::atomic<bool> asleep{false};  // the keeper may be in poll(): whoever clears it writes wake_fd
  std::atomic<Milliseconds> drain_at_ms{kNever};

  // Owned by the keeper thread.
  Life life = Life::fresh;
  Outage outage;
  Milliseconds beat_at_ms = 0;
  Milliseconds suspects_at_ms = 0;  // when a beat is followed by a look for them
  Milliseconds prune_at_ms = 0;

  // start() and drain() meet the thread here.
  std::mutex mutex;
  std::condition_variable changed;
  Thread thread;                       // guarded by mutex
  std::optional<Result<void>> booted;  // guarded by mutex
  bool ended = false;                  // guarded by mutex: the thread touches nothing any more
  int interrupted = 0;                 // guarded by mutex: jobs that still ran at the deadline
};

Keeper::Keeper(Store& store, Options options, Log& log)
    : ready_(static_cast<std::size_t>(Claimer::capacity_of(options.threads, options.limits)) + 1),
      impl_(std::make_unique<Impl>(store, std::move(options), log, ready_)) {}

Keeper::~Keeper() {
  CORRAL_CHECK(!impl_->thread.joinable(), "a keeper is drained before it is destroyed");
}

Result<void> Keeper::start() {
  Impl& impl = *impl_;
  std::unique_lock lock(impl.mutex);
  CORRAL_CHECK(!impl.booted && !impl.thread.joinable(), "a keeper starts once");
  impl.wake_fd.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!impl.wake_fd)
    return Error{std::string("the keeper cannot make an eventfd: ") + std::strerror(errno)};
  if (impl.options.node_wake_fd >= 0) {
    // Shared with other generations of this node: one of them may read it first, and a read must
    // not wait then.
    const int flags = ::fcntl(impl.options.node_wake_fd, F_GETFL);
    if (flags < 0 || ::fcntl(impl.options.node_wake_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
      return Error{std::string("the keeper cannot use the node's wake descriptor: ") +
                   std::strerror(errno)};
    }
  }
  impl.thread = Thread("keeper", [this] {
    impl_->options.around_thread([this] { impl_->live(); });
    impl_->leave(ready_);
  });
  impl.changed.wait(lock, [&] { return impl.booted.has_value(); });
  if (*impl.booted) return {};
  impl.changed.wait(lock, [&] { return impl.ended; });
  impl.thread.join();
  return *impl.booted;
}

void Keeper::wake() {
  const bool is_surplus_news = impl_->claimer.tell();
  if (impl_->claimer.ask() || is_surplus_news) impl_->rouse();
}

void Keeper::wake_for_cancelled() {
  if (impl_->canceller.ask()) impl_->rouse();
}

void Keeper::finish(Outcome outcome) {
  if (impl_->finisher.push(std::move(outcome), impl_->claimer.is_hungry())) impl_->rouse();
}

int Keeper::drain(Milliseconds deadline_ms) {
  Impl& impl = *impl_;
  std::unique_lock lock(impl.mutex);
  if (!impl.thread.joinable()) {  // never started, failed to start, or already drained
    ready_.close();
    return impl.interrupted;
  }
  impl.drain_at_ms.store(std::min(impl.drain_at_ms.load(), std::min(deadline_ms, kNever - 1)));
  impl.rouse();
  impl.changed.wait(lock, [&] { return impl.ended; });
  if (impl.thread.joinable()) impl.thread.join();
  return impl.interrupted;
}

void Keeper::Impl::rouse() {
  if (!asleep.exchange(false)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto put =
      ::write(wake_fd.get(), &one, sizeof one);  // EAGAIN: it is readable already
}

void Keeper::Impl::live() {
  if (!boot()) return;
  while (life != Life::stopped) {
    step();
    if (life != Life::stopped) sleep();
  }
}

bool Keeper::Impl::boot() {
  enter(Life::booting);
  auto opened = store.open();
  const Milliseconds now_ms = monotonic_ms();
  if (opened) {
    claimer.opened(now_ms);
    beat_at_ms = now_ms + options.limits.node_lease_ms / kBeatsPerLease;
    prune_at_ms = now_ms + options.limits.prune_interval_ms;
    report_rescued(*opened);
    enter(Life::running);
  } else {
    enter(Life::stopped);
  }
  std::lock_guard lock(mutex);
  booted = opened ? Result<void>{} : Result<void>{opened.error()};
  changed.notify_all();
  return static_cast<bool>(opened);
}

// The last thing the thread does with the keeper.
void Keeper::Impl::leave(dispatch::Queue<Job>& ready) {
  ready.close();
  std::lock_guard lock(mutex);
  if (!booted) booted = Result<void>{Error{"the keeper's thread could not be prepared"}};
  ended = true;
  changed.notify_all();
}

void Keeper::Impl::step() {
  const Milliseconds now_ms = monotonic_ms();
  if (life == Life::running && is_drain_asked()) begin_drain();
  const bool is_last = life == Life::draining && now_ms >= drain_at_ms.load();
  if (is_last) {
    collect(now_ms);
    std::vector<Outcome> cut_off;
    const int running = claimer.give_back_running(cut_off);
    for (Outcome& outcome : cut_off) finisher.add(std::move(outcome));
    std::lock_guard lock(mutex);
    interrupted = running;
  }
  if (!outage.is_on() || is_last || now_ms >= outage.retry_at_ms()) {
    if (do_work(now_ms) && outage.is_on()) {
      log.info("the database of the jobs is back", {{"lost_ms", outage.end(monotonic_ms())}});
    }
  }
  if (life == Life::draining && (is_last || is_settled())) stop();
}

// False after a failed call: what could not be done is kept and done after the next open().
bool Keeper::Impl::do_work(Milliseconds now_ms) {
  if (outage.is_on() && !reopen(now_ms)) return false;
  if (!beat(now_ms) || !write_outcomes(now_ms)) return false;
  if (auto released = claimer.release(); !released)
    return fail("release", released.error(), now_ms);
  if (auto cancelled = canceller.work(now_ms); !cancelled)
    return fail("cancelled", cancelled.error(), now_ms);
  if (life != Life::running) return true;
  if (auto claimed = claimer.work(now_ms); !claimed) return fail("claim", claimed.error(), now_ms);
  return exchange_news(now_ms);
}

// Last in a step: what the store heard while it was called is not waited for by sleep().
bool Keeper::Impl::exchange_news(Milliseconds now_ms) {
  if (claimer.take_surplus()) {
    if (auto announced = store.announce(); !announced)
      return fail("announce", announced.error(), now_ms);
  }
  auto heard = store.hear();
  if (!heard) return fail("hear", heard.error(), now_ms);
  if (*heard) {
    claimer.heard(monotonic_ms());
    canceller.heard();
  }
  return prune(now_ms);
}

bool Keeper::Impl::reopen(Milliseconds now_ms) {
  auto opened = store.open();
  if (!opened) return fail("open", opened.error(), now_ms);
  claimer.opened(now_ms);
  beat_at_ms = now_ms;  // a connection is no proof yet; a beat writes
  report_rescued(*opened);
  return true;
}

bool Keeper::Impl::beat(Milliseconds now_ms) {
  if (now_ms < beat_at_ms) return true;
  auto rescued = store.beat();
  if (!rescued) return fail("beat", rescued.error(), now_ms);
  beat_at_ms = now_ms + options.limits.node_lease_ms / kBeatsPerLease;
  if (*rescued > 0 || now_ms >= suspects_at_ms) {
    claimer.beaten(*rescued, now_ms);
    suspects_at_ms = now_ms + options.limits.node_lease_ms / kSuspectLooksPerLease;
  }
  report_rescued(*rescued);
  canceller.ask();
  return true;
}

// What the threads pushed; returns how many came for jobs that are no longer held.
int Keeper::Impl::collect(Milliseconds now_ms) {
  int ticks = 0;
  const int dropped = finisher.collect([&](const Outcome& outcome) {
    const bool is_tick = claimer.settle_tick(outcome, now_ms);
    ticks += is_tick;
    return !is_tick && claimer.settle(outcome, now_ms);
  });
  return dropped - ticks;
}

// When a batch is due, and before every claim: the claim then sees all the room there is.
bool Keeper::Impl::write_outcomes(Milliseconds now_ms) {
  const bool claims_next = life == Life::running && claimer.work_at(now_ms) <= now_ms;
  const bool is_due = finisher.due_at(now_ms, claimer.is_hungry()) <= now_ms;
  if (!is_due && !claims_next && !outage.is_on()) return true;
  int late = collect(now_ms);
  auto flushed = finisher.flush();
  if (flushed) late += *flushed;
  if (late > 0) {
    log.warning(
        502,
        "outcomes came too late and change nothing: their jobs have been given to another attempt",
        {{"jobs", late}});
  }
  return flushed ? true : fail("finish", flushed.error(), now_ms);
}

// Never while there is anything else to ask the store.
Milliseconds Keeper::Impl::prune_due_at(Milliseconds now_ms) const {
  const bool is_busy =
      claimer.work_at(now_ms) <= now_ms || finisher.due_at(now_ms, claimer.is_hungry()) <= now_ms;
  return is_busy ? kNever : prune_at_ms;
}

bool Keeper::Impl::prune(Milliseconds now_ms) {
  if (now_ms < prune_due_at(now_ms)) return true;
  auto pruned = store.prune(options.limits.prune_batch_max);
  if (!pruned) return fail("prune", pruned.error(), now_ms);
  const bool is_full = *pruned >= options.limits.prune_batch_max;
  prune_at_ms = monotonic_ms() + (is_full ? kPruneAgainMs : options.limits.prune_interval_ms);
  return true;
}

void Keeper::Impl::begin_drain() {
  claimer.give_back_unbegun(monotonic_ms());
  enter(Life::draining);
}

bool Keeper::Impl::is_settled() const {
  return claimer.held() == 0 && !claimer.is_ticking() && !claimer.has_releases() &&
         finisher.unwritten() == 0;
}

void Keeper::Impl::stop() {
  if (finisher.unwritten() > 0 || claimer.has_releases()) {
    log.error(505,
              "stopped without the database: the jobs of these outcomes run again when this node's "
              "lease has ended",
              {{"outcomes", finisher.unwritten()}});
  } else if (interrupted > 0) {
    log.warning(
        504,
        "jobs still ran at the end of the grace: they were given back and run again elsewhere, or "
        "have failed where they run at most once",
        {{"jobs", interrupted}});
  }
  store.close();
  enter(Life::stopped);
}

void Keeper::Impl::report_rescued(int rescued) {
  if (rescued <= 0) return;
  log.warning(503,
              "jobs of a node that died are rescued: each runs again alone, or fails after too "
              "many crashes",
              {{"jobs", rescued}});
}

bool Keeper::Impl::fail(const char* call, const Error& error, Milliseconds now_ms) {
  const bool is_news = !outage.is_on();
  const Milliseconds pause_ms = outage.extend(now_ms);
  if (is_news) {
    log.error(501,
              "the database of the jobs does not answer: running jobs go on, their outcomes are "
              "kept, and it is tried "
              "again with growing pauses",
              {{"error", error.message}, {"call", call}, {"pause_ms", pause_ms}});
  } else {
    log.debug("the database of the jobs still does not answer",
              {{"error", error.message}, {"call", call}, {"pause_ms", pause_ms}});
  }
  return false;
}

// A waker first says what is new, then looks at `asleep`; the keeper first says that it sleeps,
// then looks for news. One of the two sees the other, so no wake is lost.
void Keeper::Impl::sleep() {
  asleep.store(true);
  const Milliseconds now_ms = monotonic_ms();
  const Milliseconds at_ms = wake_at(now_ms);
  if (at_ms > now_ms) {
    // While jobs are asked for already, another program's commit is no news: its eventfd keeps
    // until there is room.
    // Unless other nodes could take what has no room here.
    const bool hears_node =
        options.node_wake_fd >= 0 && (!claimer.is_asked() || claimer.announces());
    const bool hears_store = life == Life::running && !outage.is_on() && !claimer.awaits_echo();
    // poll() passes over negative ones.
    std::array<pollfd, 3> fds{pollfd{wake_fd.get(), POLLIN, 0},
                              pollfd{hears_node ? options.node_wake_fd : -1, POLLIN, 0},
                              pollfd{hears_store ? store.wake_fd() : -1, POLLIN, 0}};
    const Milliseconds span_ms =
        std::min<Milliseconds>(at_ms - now_ms, std::numeric_limits<int>::max());
    const int awake = ::poll(fds.data(), fds.size(), static_cast<int>(span_ms));
    if (awake > 0 && fds[0].revents != 0) clear_eventfd(wake_fd.get());
    if (awake > 0 && fds[1].revents != 0) {
      const std::uint64_t news = clear_eventfd(options.node_wake_fd);
      if (news >= kCancelledWake) canceller.ask();
      claimer.tell();
      claimer.ask();
    }
  }
  asleep.store(false);
}

Milliseconds Keeper::Impl::wake_at(Milliseconds now_ms) const {
  if (life == Life::running && is_drain_asked()) return now_ms;
  Milliseconds at_ms = life == Life::draining ? drain_at_ms.load() : kNever;
  if (outage.is_on()) return std::min(at_ms, outage.retry_at_ms());
  at_ms = std::min(at_ms, beat_at_ms);
  at_ms = std::min(at_ms, finisher.due_at(now_ms, claimer.is_hungry()));
  at_ms = std::min(at_ms, canceller.work_at());
  if (life == Life::running) {
    at_ms = std::min({at_ms, claimer.work_at(now_ms), prune_due_at(now_ms)});
  }
  return at_ms;
}

void Keeper::Impl::enter(Life next) {
  if (!is_step(life, next)) {
    const std::string step = std::string(name_of(life)) + " to " + name_of(next);
    CORRAL_CHECK(false, step.c_str());
  }
  life = next;
}

}  // namespace corral::tasks
