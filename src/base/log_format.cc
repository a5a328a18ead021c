#include "base/log_format.h"

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <iterator>

namespace corral {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error", "critical"};
constexpr std::string_view kLevelTitles[] = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};
constexpr std::string_view kLevelColours[] = {"\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m",
                                              "\x1b[1;31m"};
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kPlain = "\x1b[0m";

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Bytes of the character that starts `text`; 0 when it is not well-formed UTF-8 (RFC 3629, section
// 4).
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const unsigned char second = at(1);
  if (!is_continuation(second)) return 0;
  if (first < 0xE0) return 2;
  if (first < 0xF0) {
    const bool is_overlong = first == 0xE0 && second < 0xA0;
    const bool is_surrogate = first == 0xED && second > 0x9F;
    return !is_overlong && !is_surrogate && is_continuation(at(2)) ? 3 : 0;
  }
  const bool is_out_of_range = (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return !is_out_of_range && is_continuation(at(2)) && is_continuation(at(3)) ? 4 : 0;
}

// C0, DEL, and C1 in its UTF-8 form, which some terminals obey as well.
bool is_control(std::string_view character) {
  const unsigned char first = character[0];
  if (character.size() == 2)
    return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
  return character.size() == 1 && (first < 0x20 || first == 0x7F);
}

void append_text_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const std::string_view character = text.substr(0, length == 0 ? 1 : length);
    text.remove_prefix(character.size());
    if (character == "\n") {
      out += "\\n";
    } else if (character == "\r") {
      out += "\\r";
    } else if (character == "\t") {
      out += "\\t";
    } else if (length == 0 || is_control(character)) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}",
                     static_cast<unsigned char>(character.back()));
    } else {
      out += character;
    }
  }
}

// A value that would be ambiguous between spaces and '=' is quoted.
void append_text_value(std::string& out, std::string_view text) {
  const bool is_bare = !text.empty() && text.find_first_of(" \"=") == std::string_view::npos;
  if (is_bare) return append_text_escaped(out, text);
  std::string quoted;
  for (char c : text) {
    if (c == '"') quoted += '\\';
    quoted += c;
  }
  out += '"';
  append_text_escaped(out, quoted);
  out += '"';
}

// Plain arithmetic: gmtime_r and localtime_r take a lock and read the environment.
void append_time(std::string& out, std::int64_t wall_ns, char between) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{floor<milliseconds>(nanoseconds{wall_ns})};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}.{:03}",
                 static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                 static_cast<unsigned>(date.day()), between, clock.hours().count(),
                 clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

}  // namespace

bool parse_log_level(std::string_view name, LogLevel& level) {
  for (std::size_t i = 0; i < std::size(kLevelNames); ++i) {
    if (name != kLevelNames[i]) continue;
    level = static_cast<LogLevel>(i);
    return true;
  }
  return false;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const std::string_view character = text.substr(0, length == 0 ? 1 : length);
    text.remove_prefix(character.size());
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (character == "\"" || character == "\\") {
      out += '\\';
      out += character;
    } else if (character == "\n") {
      out += "\\n";
    } else if (is_control(character)) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}",
                     static_cast<unsigned char>(character.back()));
    } else {
      out += character;
    }
  }
  out += '"';
}

void append_json(std::string& out, const LogRecord& record, LogFields fields) {
  out += "{\"time\":\"";
  append_time(out, record.wall_ns, 'T');
  out += "Z\",\"level\":\"";
  out += kLevelNames[static_cast<int>(record.level)];
  out += "\",\"program\":";
  append_json_string(out, record.program);
  if (record.code != 0)
    fmt::format_to(std::back_inserter(out), ",\"code\":\"CORRAL-{}\"", record.code);
  out += ",\"message\":";
  append_json_string(out, record.message);
  for (const LogField& field : fields) {
    out += ',';
    append_json_string(out, field.name());
    out += ':';
    if (field.is_number()) {
      fmt::format_to(std::back_inserter(out), "{}", field.number());
    } else {
      append_json_string(out, field.text());
    }
  }
  out += "}\n";
}

void append_text(std::string& out, const LogRecord& record, LogFields fields, TextStyle style) {
  const auto paint = [&](std::string_view colour) {
    if (style.colour) out += colour;
  };
  const int level = static_cast<int>(record.level);
  paint(kDim);
  append_time(out, record.wall_ns + style.utc_offset_s * 1'000'000'000, ' ');
  paint(kPlain);
  std::string program;
  append_text_escaped(program, record.program);
  fmt::format_to(std::back_inserter(out), " {:<10} ", program);
  paint(kLevelColours[level]);
  fmt::format_to(std::back_inserter(out), "{:<7} ", kLevelTitles[level]);
  if (record.code != 0) fmt::format_to(std::back_inserter(out), "CORRAL-{} ", record.code);
  paint(kPlain);
  append_text_escaped(out, record.message);
  std::string_view between = "  ";
  for (const LogField& field : fields) {
    out += std::exchange(between, " ");
    paint(kDim);
    append_text_escaped(out, field.name());
    out += '=';
    paint(kPlain);
    if (field.is_number()) {
      fmt::format_to(std::back_inserter(out), "{}", field.number());
    } else {
      append_text_value(out, field.text());
    }
  }
  out += '\n';
}

}  // namespace corral
