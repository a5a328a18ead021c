#include "net/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace corral::net {
namespace {

constexpr int kEventsPerTurn = 256;

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  std::unique_ptr<EventLoop> loop(new EventLoop);
  loop->epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  loop->wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;  // the loop's own wake-up
  if (!loop->epoll_ || !loop->wake_ ||
      epoll_ctl(loop->epoll_.get(), EPOLL_CTL_ADD, loop->wake_.get(), &event) != 0) {
    return Error{std::string("cannot make an event loop: ") + std::strerror(errno)};
  }
  return loop;
}

EventLoop::~EventLoop() = default;

bool EventLoop::add(int fd, std::uint32_t events, Source& source) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void EventLoop::remove(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void EventLoop::retire(std::unique_ptr<Source> source) { retired_.push_back(std::move(source)); }

void EventLoop::set_tick(Milliseconds interval_ms, std::function<void()> tick) {
  tick_interval_ms_ = interval_ms;
  next_tick_ms_ = monotonic_ms() + interval_ms;
  tick_ = std::move(tick);
}

void EventLoop::post(std::function<void()> task) {
  std::lock_guard lock(mutex_);
  posted_.push_back(std::move(task));
  wake_waiting();
}

void EventLoop::wake() {
  std::lock_guard lock(mutex_);
  wake_waiting();
}

// With mutex_ held.
void EventLoop::wake_waiting() {
  called_.store(true);
  if (!waiting_.load() || wake_written_) return;
  wake_written_ = true;
  eventfd_write(wake_.get(), 1);
}

void EventLoop::forget_wakes() {
  std::lock_guard lock(mutex_);
  eventfd_t ignored;
  eventfd_read(wake_.get(), &ignored);
  wake_written_ = false;
}

void EventLoop::run_posted() {
  called_.store(false);
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

void EventLoop::poll(Milliseconds wait_max_ms) {
  epoll_event events[kEventsPerTurn];
  Milliseconds wait_ms = wait_max_ms;
  if (tick_) wait_ms = std::min(wait_ms, next_tick_ms_ - monotonic_ms());
  waiting_.store(true);
  if (called_.load()) wait_ms = 0;
  const int count = epoll_wait(epoll_.get(), events, kEventsPerTurn,
                               static_cast<int>(std::max<Milliseconds>(0, wait_ms)));
  waiting_.store(false, std::memory_order_relaxed);
  for (int index = 0; index < count; ++index) {
    auto* source = static_cast<Source*>(events[index].data.ptr);
    if (source == nullptr) {
      forget_wakes();
    } else {
      source->on_events(events[index].events);
    }
  }
  if (called_.load(std::memory_order_relaxed)) run_posted();
  if (tick_ && monotonic_ms() >= next_tick_ms_) {
    tick_();
    next_tick_ms_ = monotonic_ms() + tick_interval_ms_;
  }
  retired_.clear();
}

}  // namespace corral::net
