// The two shapes of a log line. Pure functions over bytes; any thread. Whatever a message or field
// holds, what is appended is one line of valid UTF-8: control characters (of terminals too) and
// stray bytes come out escaped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.h"

namespace corral {

struct LogRecord {
  std::int64_t wall_ns = 0;  // since 1970, UTC
  LogLevel level = LogLevel::info;
  std::string_view program;
  int code = 0;  // 0: none
  std::string_view message;
};

struct TextStyle {
  bool colour = false;
  std::int64_t utc_offset_s = 0;
};

// {"time":"2026-11-21T09:00:00.123Z","level":"info","program":"engine","code":"CORRAL-201",
//  "message":"...", fields}, all in one line
void append_json(std::string& out, const LogRecord& record, LogFields fields);
// 2026-11-21 10:00:00.123 engine     INFO    CORRAL-201 message  key=value\n
void append_text(std::string& out, const LogRecord& record, LogFields fields, TextStyle style);

// Text with quotes, as JSON wants it; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace corral
