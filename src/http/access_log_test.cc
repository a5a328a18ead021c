#include "http/access_log.h"

#include <gtest/gtest.h>

#include <string>

namespace corral::http {
namespace {

AccessRecord make_record() {
  AccessRecord record;
  record.client = "192.0.2.1";
  record.method = "GET";
  record.target = "/a?b";
  record.status = 200;
  record.response_bytes = 5;
  record.duration_us = 1234;
  record.referer = "https://r/";
  record.user_agent = "agent/1";
  record.request_id = "id-1";
  record.time_ns = 784111777'012'345'678;  // Sun, 06 Nov 1994 08:49:37 GMT
  return record;
}

TEST(AccessLog, TextIsTheCombinedFormatAndMore) {
  EXPECT_EQ(format_access(make_record(), LogFormat::text),
            "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b HTTP/1.1\" 200 5 \"https://r/\" "
            "\"agent/1\" 1234 "
            "\"id-1\"\n");
}

TEST(AccessLog, TextNamesWhatIsMissing) {
  AccessRecord record;
  record.status = 400;
  record.time_ns = 0;
  EXPECT_EQ(format_access(record, LogFormat::text),
            "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 400 0 \"-\" \"-\" 0 \"-\"\n");
}

TEST(AccessLog, JsonIsOneObject) {
  EXPECT_EQ(format_access(make_record(), LogFormat::json),
            "{\"time\":\"1994-11-06T08:49:37.012Z\",\"client\":\"192.0.2.1\",\"method\":\"GET\","
            "\"target\":\"/a?b\","
            "\"version\":\"1.1\",\"status\":200,\"response_bytes\":5,\"duration_us\":1234,"
            "\"referer\":\"https://r/\","
            "\"user_agent\":\"agent/1\",\"request_id\":\"id-1\"}\n");
}

TEST(AccessLog, JsonLeavesOutWhatIsMissing) {
  AccessRecord record;
  record.version_minor = 0;
  record.status = 408;
  record.time_ns = 0;
  EXPECT_EQ(format_access(record, LogFormat::json),
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"version\":\"1.0\",\"status\":408,\"response_"
            "bytes\":0,"
            "\"duration_us\":0}\n");
}

TEST(AccessLog, JsonMonthsHaveTwoDigits) {
  AccessRecord record;
  for (int month = 1; month <= 12; ++month) {
    record.time_ns = (14 + (month - 1) * 30LL) * 86400 * 1'000'000'000 +
                     (month > 2 ? 86400LL * 1'000'000'000 : 0);
    char expected[16];
    std::snprintf(expected, sizeof expected, "1970-%02d-", month);
    EXPECT_NE(format_access(record, LogFormat::json).find(expected), std::string::npos) << expected;
  }
}

TEST(AccessLog, TheTimeIsNowUnlessGiven) {
  const std::int64_t before = wall_ns();
  const AccessRecord record;
  EXPECT_GE(record.time_ns, before);
  EXPECT_LE(record.time_ns, wall_ns());
}

TEST(AccessLog, TextEscapes) {
  AccessRecord record = make_record();
  record.user_agent = "a\"b\\c\r\nd\x1b[2J\xc3\xa9\x7f";
  const std::string line = format_access(record, LogFormat::text);
  EXPECT_NE(line.find(R"("a\"b\\c\x0d\x0ad\x1b[2J\xc3\xa9\x7f")"), std::string::npos) << line;
}

TEST(AccessLog, JsonEscapes) {
  AccessRecord record = make_record();
  record.user_agent = "a\"b\\c\r\nd\x1b[2J\xc3\xa9\x7f";
  const std::string line = format_access(record, LogFormat::json);
  EXPECT_NE(line.find(R"("a\"b\\c\u000d\u000ad\u001b[2J\u00c3\u00a9\u007f")"), std::string::npos)
      << line;
}

// Text parts a reader would find, by the rules of the format; empty when the line breaks them.
std::size_t count_parts(std::string_view line) {
  std::size_t parts = 0;
  bool quoted = false, inside = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quoted && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
      inside = true;
    } else if (line[i] == ' ' && !quoted) {
      parts += inside;
      inside = false;
    } else {
      inside = true;
    }
  }
  return quoted ? 0 : parts + inside;
}

// Every byte in every field: still one line of visible ASCII, with the same number of parts.
TEST(AccessLog, NoByteBreaksARecord) {
  const std::size_t parts = count_parts(format_access(make_record(), LogFormat::text));
  ASSERT_EQ(parts, 12u);
  using Field = std::string_view AccessRecord::*;
  for (Field field :
       {&AccessRecord::client, &AccessRecord::method, &AccessRecord::target, &AccessRecord::referer,
        &AccessRecord::user_agent, &AccessRecord::request_id}) {
    for (int byte = 0; byte < 256; ++byte) {
      // A space in the request line is the only one that may stand inside its quotes unescaped.
      const std::string hostile =
          std::string("x") + static_cast<char>(byte) + "y" + static_cast<char>(byte);
      AccessRecord record = make_record();
      record.*field = hostile;
      for (LogFormat format : {LogFormat::text, LogFormat::json}) {
        const std::string line = format_access(record, format);
        EXPECT_EQ(line.find('\n'), line.size() - 1) << byte;
        for (char written : line.substr(0, line.size() - 1))
          EXPECT_TRUE(written >= 0x20 && written < 0x7f) << byte;
        if (format == LogFormat::text) {
          EXPECT_EQ(count_parts(line.substr(0, line.size() - 1)), parts) << byte;
        }
      }
    }
  }
}

}  // namespace
}  // namespace corral::http
