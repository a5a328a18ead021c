// One structured log. A record is a level, a permanent code (docs/errors.md; 0 for plain
// information), a message and fields. On a terminal it is a line of text, otherwise a line of JSON.
//
// Any thread may call it. Records are formatted by the caller and written by one thread of the
// Log's own ("log"), so that a slow terminal or pipe stalls no other thread. Behind a reader
// that takes nothing, access lines beyond kAccessBacklogBytesMax are dropped at once; records
// beyond kRecordBacklogBytesMax wait up to kRecordPatienceMs first. What was dropped is counted and
// said in a warning as soon as lines pass again. A descriptor that fails (EPIPE, ENOSPC) loses its
// lines and nothing else. The two descriptors do not hold each other up.
//
// Times of the text format are local with the offset of the Log's birth: asking the C library again
// would race with programs that change TZ, as Django does.
//
// A Log outlives everything that holds a reference to it; flush() returns when all earlier records
// have been written, or when the reader has taken nothing for kFlushPatienceMs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/thread.h"

namespace corral {

constexpr std::size_t kRecordBacklogBytesMax = 1024 * 1024;
constexpr std::size_t kAccessBacklogBytesMax = 4 * 1024 * 1024;
constexpr Milliseconds kRecordPatienceMs = 200;
constexpr Milliseconds kFlushPatienceMs = 1'000;

enum class LogLevel { debug, info, warning, error, critical };

// "debug", "info", ...; false when the name is none of them.
bool parse_log_level(std::string_view name, LogLevel& level);

enum class LogFormat { text, json };

class LogField {
 public:
  LogField(std::string_view name, std::string_view value) : name_(name), text_(value) {}
  LogField(std::string_view name, const char* value) : name_(name), text_(value) {}
  template <typename Number, typename = std::enable_if_t<std::is_integral_v<Number>>>
  LogField(std::string_view name, Number value) : name_(name), number_(value), is_number_(true) {}

  std::string_view name() const { return name_; }
  std::string_view text() const { return text_; }
  std::int64_t number() const { return number_; }
  bool is_number() const { return is_number_; }

 private:
  std::string_view name_;
  std::string_view text_;
  std::int64_t number_ = 0;
  bool is_number_ = false;
};

// The fields of one call: a list in braces, or any that lie in a row. They outlive the call, not
// more.
class LogFields {
 public:
  LogFields() = default;
  LogFields(std::initializer_list<LogField> fields) : fields_(fields.begin(), fields.size()) {}
  LogFields(std::span<const LogField> fields) : fields_(fields) {}
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::span<const LogField> fields_;
};

class Log {
 public:
  struct Options {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
    std::string program = "corral";  // "supervisor", "engine", "web.1": which process speaks
    int fd = 2;                      // borrowed
    int access_fd = -1;              // borrowed; -1: no access log
  };

  explicit Log(Options options);
  ~Log();  // writes what is left

  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  bool enabled(LogLevel level) const { return level >= options_.level; }
  bool access_enabled() const { return options_.access_fd >= 0; }

  void debug(std::string_view message, LogFields fields = {}) {
    write(LogLevel::debug, 0, message, fields);
  }
  void info(std::string_view message, LogFields fields = {}) {
    write(LogLevel::info, 0, message, fields);
  }
  void warning(int code, std::string_view message, LogFields fields = {}) {
    write(LogLevel::warning, code, message, fields);
  }
  void error(int code, std::string_view message, LogFields fields = {}) {
    write(LogLevel::error, code, message, fields);
  }

  void write(LogLevel level, int code, std::string_view message, LogFields fields);
  // One access record, already formatted by http/access_log; `line` ends with a newline.
  void access(std::string&& line);

  LogFormat format() const { return options_.format; }
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  void flush();

 private:
  // One descriptor and what waits for it.
  struct Sink {
    int fd = -1;                     // constant
    bool can_block = false;          // constant: a terminal, pipe or socket rather than a file
    std::string backlog;             // guarded by mutex_: whole lines
    std::uint64_t accepted = 0;      // guarded by mutex_: bytes ever queued
    std::uint64_t done = 0;          // guarded by mutex_: bytes ever written or given up
    std::uint64_t lost_lines = 0;    // guarded by mutex_: dropped and not yet said
    std::string pending;             // owned by the writer: what it is writing
    std::size_t written = 0;         // owned by the writer: of `pending`
    std::uint64_t failed_lines = 0;  // owned by the writer: refused by the descriptor in this step
  };

  std::string format(LogLevel level, int code, std::string_view message, LogFields fields) const;
  void put(Sink& sink, std::string_view line);
  void drop(Sink& sink, std::uint64_t lines);

  void run();
  void wait_for_work(std::unique_lock<std::mutex>& lock, Milliseconds pause_ms);
  void say_lost_lines();
  bool write_both(std::unique_lock<std::mutex>& lock);
  void write_some(Sink& sink);
  void give_up_rest();
  bool is_all_written() const;

  const Options options_;
  const bool colour_;
  const std::int64_t utc_offset_s_;
  std::atomic<std::uint64_t> dropped_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable written_;
  Sink records_;
  Sink access_;
  int flushing_ = 0;  // guarded by mutex_: callers inside flush()
  // Guarded by mutex_: a record waited in vain and nothing has passed since.
  bool is_stalled_ = false;
  bool stopping_ = false;  // guarded by mutex_
  // Owned by the writer: earliest time of the next warning about lost lines.
  Milliseconds say_next_ms_ = 0;
  Thread writer_;
};

}  // namespace corral
