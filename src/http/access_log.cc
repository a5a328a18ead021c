#include "http/access_log.h"

#include <charconv>
#include <cstring>

#include "http/response.h"

namespace corral::http {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::int64_t kSecondNs = 1'000'000'000;

void append_number(std::string& line, std::int64_t number) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  line.append(digits, static_cast<std::size_t>(end - digits));
}

void append_hex(std::string& line, std::string_view prefix, char byte) {
  line.append(prefix);
  line += kHex[static_cast<unsigned char>(byte) >> 4];
  line += kHex[static_cast<unsigned char>(byte) & 15];
}

// `prefix` is how a byte by number begins: \x or \u00. Both formats escape quote and backslash
// alike.
void append_escaped(std::string& line, std::string_view text, std::string_view prefix) {
  for (char byte : text) {
    if (byte == '"' || byte == '\\') {
      line += '\\';
      line += byte;
    } else if (byte >= 0x20 && byte < 0x7f) {
      line += byte;
    } else {
      append_hex(line, prefix, byte);
    }
  }
}

void append_quoted(std::string& line, std::string_view text) {
  line.append(" \"");
  append_escaped(line, text.empty() ? "-" : text, "\\x");
  line += '"';
}

// "Sun, 06 Nov 1994 08:49:37 GMT" to "06/Nov/1994:08:49:37 +0000".
void append_text_time(std::string& line, std::int64_t time_ns) {
  char date[kHttpDateBytes];
  write_http_date(time_ns / kSecondNs, date);
  line.append(date + 5, 2).append("/").append(date + 8, 3).append("/").append(date + 12, 4);
  line.append(":").append(date + 17, 8).append(" +0000");
}

// "1994-11-06T08:49:37.000Z", the same time to milliseconds.
void append_json_time(std::string& line, std::int64_t time_ns) {
  char date[kHttpDateBytes];
  write_http_date(time_ns / kSecondNs, date);
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::size_t month = kMonths.find(std::string_view(date + 8, 3)) / 3 + 1;
  line.append(date + 12, 4).append(month < 10 ? "-0" : "-1");
  line += static_cast<char>('0' + month % 10);
  line.append("-").append(date + 5, 2).append("T").append(date + 17, 8).append(".");
  const std::int64_t milliseconds = time_ns / 1'000'000 % 1000;
  for (std::int64_t unit : {100, 10, 1}) line += static_cast<char>('0' + milliseconds / unit % 10);
  line += 'Z';
}

// The client stands unquoted, so a space in it would shift every later part.
void append_client(std::string& line, std::string_view client) {
  if (client.empty()) line += '-';
  for (char byte : client) {
    if (byte > 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
      line += byte;
    } else {
      append_hex(line, "\\x", byte);
    }
  }
}

std::string format_text(const AccessRecord& record) {
  std::string line;
  line.reserve(160 + record.target.size() + record.referer.size() + record.user_agent.size());
  append_client(line, record.client);
  line.append(" - - [");
  append_text_time(line, record.time_ns);
  line.append("] \"");
  if (record.method.empty()) {
    line += '-';
  } else {
    append_escaped(line, record.method, "\\x");
    line += ' ';
    append_escaped(line, record.target, "\\x");
    line.append(" HTTP/1.");
    append_number(line, record.version_minor);
  }
  line.append("\" ");
  append_number(line, record.status);
  line += ' ';
  append_number(line, static_cast<std::int64_t>(record.response_bytes));
  append_quoted(line, record.referer);
  append_quoted(line, record.user_agent);
  line += ' ';
  append_number(line, record.duration_us);
  append_quoted(line, record.request_id);
  line += '\n';
  return line;
}

void append_member(std::string& line, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  line.append(",\"").append(name).append("\":\"");
  append_escaped(line, text, "\\u00");
  line += '"';
}

void append_member(std::string& line, std::string_view name, std::int64_t number) {
  line.append(",\"").append(name).append("\":");
  append_number(line, number);
}

std::string format_json(const AccessRecord& record) {
  std::string line;
  line.reserve(256 + record.target.size() + record.referer.size() + record.user_agent.size());
  line.append("{\"time\":\"");
  append_json_time(line, record.time_ns);
  line += '"';
  append_member(line, "client", record.client);
  append_member(line, "method", record.method);
  append_member(line, "target", record.target);
  append_member(line, "version", record.version_minor == 0 ? "1.0" : "1.1");
  append_member(line, "status", std::int64_t{record.status});
  append_member(line, "response_bytes", static_cast<std::int64_t>(record.response_bytes));
  append_member(line, "duration_us", record.duration_us);
  append_member(line, "referer", record.referer);
  append_member(line, "user_agent", record.user_agent);
  append_member(line, "request_id", record.request_id);
  line.append("}\n");
  return line;
}

}  // namespace

std::string format_access(const AccessRecord& record, LogFormat format) {
  return format == LogFormat::json ? format_json(record) : format_text(record);
}

}  // namespace corral::http
