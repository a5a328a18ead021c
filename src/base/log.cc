#include "base/log.h"

#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include "base/log_format.h"

namespace corral {
namespace {

constexpr Milliseconds kSayLostEveryMs = 10'000;
// Access lines wait this long for company, unless this many bytes are there: one wake-up for many
// lines.
constexpr Milliseconds kAccessLingerMs = 10;
constexpr std::size_t kAccessLingerBytes = 32 * 1024;
// While a reader takes nothing it is asked again after pauses that double between these two.
constexpr Milliseconds kStallPauseMinMs = 1;
constexpr Milliseconds kStallPauseMaxMs = 50;
constexpr std::size_t kFileWriteBytes = 256 * 1024;

using std::chrono::milliseconds;

bool wants_colour(const Log::Options& options) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return options.format == LogFormat::text && isatty(options.fd) == 1 &&
         (no_colour == nullptr || *no_colour == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

std::int64_t utc_offset_s() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  return localtime_r(&now, &local) == nullptr ? 0 : local.tm_gmtoff;
}

bool can_block(int fd) {
  struct stat about{};
  return fstat(fd, &about) != 0 || !S_ISREG(about.st_mode);
}

bool takes_bytes(int fd) {
  pollfd ready{fd, POLLOUT, 0};
  return poll(&ready, 1, 0) > 0;  // errors count: the write will tell
}

std::uint64_t count_lines(std::string_view text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

// What the next write() takes: whole lines, because other processes write to the same descriptor,
// and up to PIPE_BUF at once where a reader is at the other end, because that much neither blocks
// after poll() nor mixes with others' lines.
std::string_view next_chunk(std::string_view rest, bool is_blocking) {
  const std::size_t limit = is_blocking ? PIPE_BUF : kFileWriteBytes;
  if (rest.size() <= limit) return rest;
  const std::size_t end = rest.rfind('\n', limit - 1);
  return rest.substr(0, end == std::string_view::npos ? limit : end + 1);
}

}  // namespace

Log::Log(Options options)
    : options_(std::move(options)), colour_(wants_colour(options_)), utc_offset_s_(utc_offset_s()) {
  records_.fd = options_.fd;
  records_.can_block = can_block(options_.fd);
  access_.fd = options_.access_fd;
  access_.can_block = can_block(options_.access_fd);
  writer_ = Thread("log", [this] { run(); });
}

Log::~Log() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  writer_.join();
}

void Log::write(LogLevel level, int code, std::string_view message, LogFields fields) {
  if (!enabled(level)) return;
  const std::string line = format(level, code, message, fields);
  std::unique_lock lock(mutex_);
  const auto has_room = [&] { return records_.backlog.size() < kRecordBacklogBytesMax; };
  if (!has_room() && !is_stalled_) {
    is_stalled_ = !written_.wait_for(lock, milliseconds(kRecordPatienceMs), has_room);
  }
  if (!has_room()) return drop(records_, 1);
  put(records_, line);
}

void Log::access(std::string&& line) {
  if (!access_enabled()) return;
  std::lock_guard lock(mutex_);
  if (access_.backlog.size() >= kAccessBacklogBytesMax) return drop(access_, 1);
  put(access_, line);
}

void Log::flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t records = records_.accepted;
  const std::uint64_t access = access_.accepted;
  const auto is_done = [&] { return records_.done >= records && access_.done >= access; };
  ++flushing_;
  wake_.notify_one();
  std::uint64_t seen = 0;
  do {
    seen = records_.done + access_.done;
  } while (!written_.wait_for(lock, milliseconds(kFlushPatienceMs), is_done) &&
           records_.done + access_.done > seen);
  --flushing_;
}

std::string Log::format(LogLevel level, int code, std::string_view message,
                        LogFields fields) const {
  const LogRecord record{wall_ns(), level, options_.program, code, message};
  std::string line;
  line.reserve(256);
  if (options_.format == LogFormat::json) {
    append_json(line, record, fields);
  } else {
    append_text(line, record, fields, TextStyle{colour_, utc_offset_s_});
  }
  return line;
}

// With mutex_ held. The writer needs a wake-up only at the two sizes it waits for.
void Log::put(Sink& sink, std::string_view line) {
  const std::size_t before = sink.backlog.size();
  sink.backlog += line;
  sink.accepted += line.size();
  const bool is_full_batch =
      before <= kAccessLingerBytes && sink.backlog.size() > kAccessLingerBytes;
  if (before == 0 || is_full_batch) wake_.notify_one();
}

// With mutex_ held. No wake-up: where something is dropped, the writer has its hands full.
void Log::drop(Sink& sink, std::uint64_t lines) {
  sink.lost_lines += lines;
  dropped_.fetch_add(lines, std::memory_order_relaxed);
}

void Log::run() {
  std::unique_lock lock(mutex_);
  Milliseconds pause_ms = 0;
  Milliseconds stuck_since_ms = 0;
  for (;;) {
    wait_for_work(lock, pause_ms);
    const bool was_stopping = stopping_;
    say_lost_lines();
    const bool has_progress = write_both(lock);
    if (is_all_written()) {
      pause_ms = 0;
      stuck_since_ms = 0;
      if (stopping_) return;
      continue;
    }
    pause_ms = has_progress ? kStallPauseMinMs
                            : std::clamp(pause_ms * 2, kStallPauseMinMs, kStallPauseMaxMs);
    const Milliseconds now_ms = monotonic_ms();
    if (has_progress || !was_stopping || stuck_since_ms == 0) stuck_since_ms = now_ms;
    if (now_ms - stuck_since_ms >= kFlushPatienceMs) return give_up_rest();
  }
}

// With mutex_ held, released while it waits. `pause_ms` > 0: something is left that its reader did
// not take.
void Log::wait_for_work(std::unique_lock<std::mutex>& lock, Milliseconds pause_ms) {
  if (pause_ms > 0) {
    wake_.wait_for(lock, milliseconds(pause_ms));
    return;
  }
  const auto is_urgent = [&] {
    return stopping_ || flushing_ > 0 || !records_.backlog.empty() ||
           access_.backlog.size() > kAccessLingerBytes;
  };
  const auto has_lost = [&] { return records_.lost_lines + access_.lost_lines > 0; };
  const auto has_work = [&] {
    return stopping_ || !records_.backlog.empty() || !access_.backlog.empty();
  };
  while (!has_work()) {
    if (!has_lost()) {
      wake_.wait(lock);
      continue;
    }
    const Milliseconds left_ms = say_next_ms_ - monotonic_ms();
    if (left_ms <= 0) return;
    wake_.wait_for(lock, milliseconds(left_ms));
  }
  if (!is_urgent()) wake_.wait_for(lock, milliseconds(kAccessLingerMs), is_urgent);
}

// With mutex_ held. Not while the records themselves do not pass: it would only be one more to
// wait.
void Log::say_lost_lines() {
  const bool has_lost = records_.lost_lines + access_.lost_lines > 0;
  const Milliseconds now_ms = monotonic_ms();
  if (!has_lost || is_stalled_ || (now_ms < say_next_ms_ && !stopping_)) return;
  say_next_ms_ = now_ms + kSayLostEveryMs;
  const std::uint64_t records = std::exchange(records_.lost_lines, 0);
  const std::uint64_t access = std::exchange(access_.lost_lines, 0);
  if (!enabled(LogLevel::warning)) return;
  const auto warning = [&](int code, std::string_view message, LogFields fields) {
    put(records_, format(LogLevel::warning, code, message, fields));
  };
  warning(190, "log lines were dropped because their reader is slow or gone; logging goes on",
          {{"access_lines", access}, {"records", records}});
}

// With mutex_ held, released while it writes. True when a descriptor took or refused something.
bool Log::write_both(std::unique_lock<std::mutex>& lock) {
  std::uint64_t before = records_.done + access_.done;
  for (Sink* sink : {&records_, &access_}) {
    if (sink->written < sink->pending.size()) continue;
    sink->pending.clear();
    sink->written = 0;
    sink->pending.swap(sink->backlog);
  }
  written_.notify_all();  // there is room again
  lock.unlock();
  write_some(records_);
  write_some(access_);
  lock.lock();
  for (Sink* sink : {&records_, &access_}) {
    const std::uint64_t left = sink->backlog.size() + sink->pending.size() - sink->written;
    if (sink == &records_ && sink->accepted - left > sink->done) is_stalled_ = false;
    sink->done = sink->accepted - left;
    const std::uint64_t failed = std::exchange(sink->failed_lines, 0);
    dropped_.fetch_add(failed, std::memory_order_relaxed);
    // A warning about records that cannot be written could not be written either.
    if (sink == &access_) sink->lost_lines += failed;
  }
  written_.notify_all();
  return records_.done + access_.done > before;
}

void Log::write_some(Sink& sink) {
  while (sink.written < sink.pending.size()) {
    if (sink.can_block && !takes_bytes(sink.fd)) return;
    const std::string_view chunk =
        next_chunk(std::string_view(sink.pending).substr(sink.written), sink.can_block);
    const ssize_t count = ::write(sink.fd, chunk.data(), chunk.size());
    if (count > 0) {
      sink.written += static_cast<std::size_t>(count);
    } else if (count < 0 && errno == EAGAIN) {
      return;
    } else if (count == 0 || errno != EINTR) {
      sink.failed_lines += count_lines(chunk);
      sink.written += chunk.size();
    }
  }
}

// With mutex_ held, at the end: the reader has taken nothing for kFlushPatienceMs.
void Log::give_up_rest() {
  for (Sink* sink : {&records_, &access_}) {
    const std::string_view rest = std::string_view(sink->pending).substr(sink->written);
    dropped_.fetch_add(count_lines(rest) + count_lines(sink->backlog), std::memory_order_relaxed);
    sink->done = sink->accepted;
  }
  written_.notify_all();
}

// With mutex_ held.
bool Log::is_all_written() const {
  return records_.done == records_.accepted && access_.done == access_.accepted;
}

}  // namespace corral
