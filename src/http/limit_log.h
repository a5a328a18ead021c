// Says that a limit was met: counts it, and writes a record at most once in kLimitLogPauseMs for
// each limit, with the number since the last.
//
// Any thread. Lives as long as the server whose counters it adds to.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/limits.h"
#include "base/log.h"
#include "http/counters.h"

namespace corral::http {

class LimitLog {
 public:
  LimitLog(Log& log, Counters& counters) : log_(log), counters_(counters) {}

  // `client`: who met it last, for the record; may be empty. `more` are fields of the record.
  void note(Limit limit, std::string_view client, LogFields more = {});
  // One record with every counter that is not 0, for the end of the process.
  void summarize();

 private:
  struct Said {
    std::atomic<Milliseconds> next_ms{0};  // no record before
    std::atomic<std::uint64_t> count{0};   // of the limit's counter, in records so far
  };

  Log& log_;
  Counters& counters_;
  std::array<Said, kLimitCount> said_;
};

}  // namespace corral::http
