#include "http/response.h"

#include <gtest/gtest.h>

#include <ctime>
#include <ostream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "http/request.h"

namespace corral::http {
namespace {

constexpr std::string_view kServer = "Server: corral\r\n";

using namespace std::string_literals;  // NOLINT: "..."s keeps NUL bytes

// The head without its Date line, which differs each second.
std::string without_date(std::string_view bytes) {
  std::string text(bytes);
  const std::size_t date = text.find("\r\nDate: ");
  if (date != std::string::npos) text.erase(date, 2 + 6 + kHttpDateBytes);
  return text;
}

// --- framing

struct FramingRow {
  const char* name;
  const char* status;
  const char* method;
  int version_minor;
  bool client_keeps;
  std::vector<std::pair<std::string, std::string>> headers;
  std::int64_t known_length;
  bool may_keep;
  ResponseFraming framing;
  bool keep_alive;
  const char* lines;  // what follows the status line

  friend void PrintTo(const FramingRow& row, std::ostream* out) { *out << row.name; }
};

class Framing : public testing::TestWithParam<FramingRow> {};

TEST_P(Framing, IsExact) {
  const FramingRow& row = GetParam();
  Request request;
  request.method = row.method;
  request.version_minor = row.version_minor;
  request.keep_alive = row.client_keeps;
  ResponseHead head;
  ASSERT_TRUE(head.set_status(row.status));
  for (const auto& [name, value] : row.headers) ASSERT_TRUE(head.add_header(name, value)) << name;
  head.finish(request, row.known_length, row.may_keep, kServer);
  EXPECT_EQ(without_date(head.bytes()),
            "HTTP/1.1 "s + row.status + "\r\n" + row.lines + "Server: corral\r\n\r\n");
  EXPECT_EQ(head.framing(), row.framing);
  EXPECT_EQ(head.keep_alive(), row.keep_alive);
}

constexpr const char* kLength5 = "Content-Length: 5\r\n";

const std::vector<FramingRow> kFramings = {
    {"known_length",
     "200 OK",
     "GET",
     1,
     true,
     {},
     5,
     true,
     ResponseFraming::length,
     true,
     kLength5},
    {"declared_length",
     "200 OK",
     "GET",
     1,
     true,
     {{"Content-Length", "5"}},
     -1,
     true,
     ResponseFraming::length,
     true,
     kLength5},
    {"declared_beats_known",
     "200 OK",
     "GET",
     1,
     true,
     {{"content-length", "5"}},
     7,
     true,
     ResponseFraming::length,
     true,
     kLength5},
    {"empty_body",
     "200 OK",
     "GET",
     1,
     true,
     {},
     0,
     true,
     ResponseFraming::length,
     true,
     "Content-Length: 0\r\n"},
    {"unknown_length",
     "200 OK",
     "GET",
     1,
     true,
     {},
     -1,
     true,
     ResponseFraming::chunked,
     true,
     "Transfer-Encoding: chunked\r\n"},
    {"unknown_length_closing",
     "200 OK",
     "GET",
     1,
     false,
     {},
     -1,
     true,
     ResponseFraming::chunked,
     false,
     "Transfer-Encoding: chunked\r\nConnection: close\r\n"},
    {"unknown_length_1_0",
     "200 OK",
     "GET",
     0,
     true,
     {},
     -1,
     true,
     ResponseFraming::close,
     false,
     "Connection: close\r\n"},
    {"known_length_1_0",
     "200 OK",
     "GET",
     0,
     false,
     {},
     5,
     true,
     ResponseFraming::length,
     false,
     "Content-Length: 5\r\nConnection: close\r\n"},
    {"known_length_1_0_keep_alive",
     "200 OK",
     "GET",
     0,
     true,
     {},
     5,
     true,
     ResponseFraming::length,
     true,
     "Content-Length: 5\r\nConnection: keep-alive\r\n"},
    {"draining",
     "200 OK",
     "GET",
     1,
     true,
     {},
     5,
     false,
     ResponseFraming::length,
     false,
     "Content-Length: 5\r\nConnection: close\r\n"},
    {"client_closes",
     "200 OK",
     "GET",
     1,
     false,
     {},
     5,
     true,
     ResponseFraming::length,
     false,
     "Content-Length: 5\r\nConnection: close\r\n"},
    {"application_closes",
     "200 OK",
     "GET",
     1,
     true,
     {{"Connection", "Close"}},
     5,
     true,
     ResponseFraming::length,
     false,
     "Content-Length: 5\r\nConnection: close\r\n"},
    {"application_keeps",
     "200 OK",
     "GET",
     1,
     true,
     {{"Connection", "keep-alive"}},
     5,
     true,
     ResponseFraming::length,
     true,
     kLength5},
    {"head_declared",
     "200 OK",
     "HEAD",
     1,
     true,
     {{"Content-Length", "5"}},
     0,
     true,
     ResponseFraming::none,
     true,
     kLength5},
    {"head_known", "200 OK", "HEAD", 1, true, {}, 5, true, ResponseFraming::none, true, kLength5},
    {"head_nothing_made", "200 OK", "HEAD", 1, true, {}, 0, true, ResponseFraming::none, true, ""},
    {"head_unknown", "200 OK", "HEAD", 1, true, {}, -1, true, ResponseFraming::none, true, ""},
    {"head_unknown_1_0_keep_alive",
     "200 OK",
     "HEAD",
     0,
     true,
     {},
     -1,
     true,
     ResponseFraming::none,
     true,
     "Connection: keep-alive\r\n"},
    {"no_content", "204 No Content", "GET", 1, true, {}, 0, true, ResponseFraming::none, true, ""},
    {"no_content_with_length",
     "204 No Content",
     "GET",
     1,
     true,
     {{"Content-Length", "0"}},
     0,
     true,
     ResponseFraming::none,
     true,
     ""},
    {"not_modified",
     "304 Not Modified",
     "GET",
     1,
     true,
     {},
     5,
     true,
     ResponseFraming::none,
     true,
     ""},
    {"not_modified_counted",
     "304 Not Modified",
     "GET",
     1,
     true,
     {{"Content-Length", "0"}},
     -1,
     true,
     ResponseFraming::none,
     true,
     ""},
    {"not_modified_with_length",
     "304 Not Modified",
     "GET",
     1,
     true,
     {{"Content-Length", "5000"}},
     0,
     true,
     ResponseFraming::none,
     true,
     "Content-Length: 5000\r\n"},
    {"no_content_with_a_length",
     "204 No Content",
     "GET",
     1,
     true,
     {{"Content-Length", "5000"}},
     0,
     true,
     ResponseFraming::none,
     true,
     ""},
    {"reset_content",
     "205 Reset Content",
     "GET",
     1,
     true,
     {},
     0,
     true,
     ResponseFraming::length,
     true,
     "Content-Length: 0\r\n"},
    {"headers_in_order",
     "404 Not Found",
     "GET",
     1,
     true,
     {{"X", "1"}, {"Set-Cookie", "a"}, {"Set-Cookie", "b"}},
     5,
     true,
     ResponseFraming::length,
     true,
     "X: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\n"},
};

const auto kRowName = [](const auto& row) { return std::string(row.param.name); };

INSTANTIATE_TEST_SUITE_P(ResponseHead, Framing, testing::ValuesIn(kFramings), kRowName);

TEST(ResponseHead, KeepsTheApplicationsDateAndServer) {
  ResponseHead head;
  ASSERT_TRUE(head.set_status("200 OK"));
  ASSERT_TRUE(head.add_header("DATE", "then"));
  ASSERT_TRUE(head.add_header("server", "mine"));
  Request request;
  head.finish(request, 0, true, kServer);
  EXPECT_EQ(head.bytes(),
            "HTTP/1.1 200 OK\r\nDATE: then\r\nserver: mine\r\nContent-Length: 0\r\n\r\n");
}

TEST(ResponseHead, ASecondStatusReplacesTheFirstWithItsHeaders) {
  ResponseHead head;
  ASSERT_TRUE(head.set_status("200 OK"));
  for (auto [name, value] : {std::pair{"X", "1"},
                             {"Content-Length", "9"},
                             {"Connection", "close"},
                             {"Date", "d"},
                             {"Server", "s"}})
    ASSERT_TRUE(head.add_header(name, value));
  ASSERT_TRUE(head.set_status("500 Oh"));
  EXPECT_EQ(head.content_length(), -1);
  Request request;
  request.method = "GET";
  head.finish(request, 3, true, kServer);
  EXPECT_EQ(without_date(head.bytes()),
            "HTTP/1.1 500 Oh\r\nContent-Length: 3\r\nServer: corral\r\n\r\n");
  EXPECT_NE(head.bytes().find("Date: "), std::string_view::npos);
  EXPECT_TRUE(head.keep_alive());
  head.reset();
  EXPECT_FALSE(head.has_status());
  EXPECT_TRUE(head.bytes().empty());
}

// --- what is refused

struct StatusRow {
  const char* name;
  std::string status;
  int number;  // 0: refused

  friend void PrintTo(const StatusRow& row, std::ostream* out) { *out << row.name; }
};

class Status : public testing::TestWithParam<StatusRow> {};

TEST_P(Status, IsChecked) {
  ResponseHead head;
  const Result<void> result = head.set_status(GetParam().status);
  EXPECT_EQ(static_cast<bool>(result), GetParam().number != 0);
  EXPECT_EQ(head.status(), GetParam().number);
  EXPECT_EQ(head.has_status(), GetParam().number != 0);
  if (!result) {
    EXPECT_EQ(result.error().message.find_first_of("\r\n\0"s), std::string::npos)
        << "hostile bytes in a message";
  }
}

const std::vector<StatusRow> kStatuses = {
    {"plain", "200 OK", 200},
    {"no_reason", "200 ", 200},
    {"own_number", "999 Mine", 999},
    {"latin1_reason", "404 Pas trouv\xe9", 404},
    {"long_reason", "500 A very long reason", 500},
    {"no_space", "200", 0},
    {"empty", "", 0},
    {"two_digits", "20 OK", 0},
    {"four_digits", "2000 OK", 0},
    {"letters", "abc OK", 0},
    {"leading_space", " 200 OK", 0},
    {"zero", "000 OK", 0},
    {"interim", "100 Continue", 0},
    {"switching", "101 Switching Protocols", 0},
    {"injection", "200 OK\r\nX: y", 0},
    {"bare_lf", "200 OK\n", 0},
    {"nul", "200 O\0K"s, 0},
    {"delete", "200 \x7f", 0},
};

INSTANTIATE_TEST_SUITE_P(ResponseHead, Status, testing::ValuesIn(kStatuses), kRowName);

struct HeaderRow {
  const char* name;
  std::string header;
  std::string value;
  bool accepted;

  friend void PrintTo(const HeaderRow& row, std::ostream* out) { *out << row.name; }
};

class AddHeader : public testing::TestWithParam<HeaderRow> {};

TEST_P(AddHeader, IsChecked) {
  ResponseHead head;
  ASSERT_TRUE(head.set_status("200 OK"));
  const std::string before(head.bytes());
  const Result<void> result = head.add_header(GetParam().header, GetParam().value);
  EXPECT_EQ(static_cast<bool>(result), GetParam().accepted);
  if (result) {
    EXPECT_EQ(head.bytes(), before + GetParam().header + ": " + GetParam().value + "\r\n");
  } else {
    EXPECT_EQ(head.bytes(), before) << "nothing of a refused header is written";
    EXPECT_EQ(result.error().message.find_first_of("\r\n\0"s), std::string::npos)
        << "hostile bytes in a message";
  }
}

const std::vector<HeaderRow> kHeaders = {
    {"plain", "X-A", "b", true},
    {"empty_value", "X", "", true},
    {"latin1_value", "X", "\xe9\xff", true},
    {"tab_in_value", "X", "a\tb", true},
    {"trailer_list", "Trailer", "X", true},
    {"empty_name", "", "b", false},
    {"space_in_name", "X A", "b", false},
    {"colon_in_name", "X:", "b", false},
    {"newline_in_name", "X\r\nY", "b", false},
    {"non_ascii_name", "X\xe9", "b", false},
    {"crlf_in_value", "X", "a\r\nSet-Cookie: b", false},
    {"lf_in_value", "X", "a\nb", false},
    {"cr_at_the_end", "X", "a\r", false},
    {"nul_in_value", "X", "a\0b"s, false},
    {"escape_in_long_value", "X", std::string(50, 'a') + "\x1b", false},
    {"delete_in_value", "X", "a\x7f", false},
    {"transfer_encoding", "Transfer-Encoding", "chunked", false},
    {"connection_upgrade", "Connection", "upgrade", false},
    {"connection_list", "connection", "close, x", false},
    {"keep_alive", "Keep-Alive", "timeout=5", false},
    {"upgrade", "UPGRADE", "h2c", false},
    {"te", "TE", "trailers", false},
    {"proxy_authenticate", "Proxy-Authenticate", "Basic", false},
    {"length_negative", "Content-Length", "-5", false},
    {"length_plus", "Content-Length", "+5", false},
    {"length_list", "Content-Length", "5, 5", false},
    {"length_space", "Content-Length", "5 ", false},
    {"length_leading_space", "Content-Length", " 5", false},
    {"length_empty", "Content-Length", "", false},
    {"length_overflow", "Content-Length", "9223372036854775808", false},
};

INSTANTIATE_TEST_SUITE_P(ResponseHead, AddHeader, testing::ValuesIn(kHeaders), kRowName);

TEST(ResponseHead, ChecksAValueOfAnyLengthWithinItsBounds) {
  ResponseHead head;
  ASSERT_TRUE(head.set_status("200 OK"));
  for (std::size_t size = 1; size < 40; ++size) {
    std::vector<char> value(size, 'v');  // exact, so that a sanitizer sees a read past it
    EXPECT_TRUE(head.add_header("X", {value.data(), size}));
    value[size - 1] = '\n';
    EXPECT_FALSE(head.add_header("X", {value.data(), size}));
  }
}

TEST(ResponseHead, RefusesASecondContentLength) {
  ResponseHead head;
  ASSERT_TRUE(head.set_status("200 OK"));
  ASSERT_TRUE(head.add_header("Content-Length", "9223372036854775807"));
  EXPECT_EQ(head.content_length(), 9223372036854775807);
  EXPECT_FALSE(head.add_header("content-length", "5"));
}

// --- the server's own answers

TEST(PlainResponse, IsWhole) {
  EXPECT_EQ(without_date(plain_response(503, "busy\n", "Retry-After: 1\r\n", false, kServer)),
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
            "Retry-After: 1\r\nConnection: close\r\nServer: corral\r\n\r\nbusy\n");
  EXPECT_EQ(
      without_date(plain_response(200, "", "", true, kServer)),
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nServer: corral\r\n\r\n");
  EXPECT_NE(plain_response(200, "", "", true, kServer).find("\r\nDate: "), std::string::npos);
}

TEST(ReasonPhrase, IsKnownForEveryStatusTheServerAnswersWith) {
  for (int status : {200, 400, 404, 405, 408, 413, 414, 417, 431, 500, 501, 503, 504, 505, 507})
    EXPECT_NE(reason_phrase(status), "Unknown") << status;
  EXPECT_EQ(reason_phrase(299), "Unknown");
}

TEST(HttpDate, IsTheCalendarsForEveryHourOfACentury) {
  for (std::int64_t second = 0; second < 36525LL * 86400; second += 3599 * 13) {
    char text[kHttpDateBytes];
    write_http_date(second, text);
    const std::time_t time = second;
    std::tm parts{};
    gmtime_r(&time, &parts);
    char expected[64];
    std::strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    ASSERT_EQ(std::string_view(text, kHttpDateBytes), expected);
  }
}

TEST(HttpDate, IsNow) {
  const std::int64_t before = wall_ns() / 1'000'000'000;
  const std::string now(http_date());
  const std::int64_t after = wall_ns() / 1'000'000'000;
  std::tm parts{};
  ASSERT_NE(strptime(now.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts), nullptr) << now;
  EXPECT_GE(timegm(&parts), before - 1) << "the coarse clock may lag by a tick";
  EXPECT_LE(timegm(&parts), after);
}

TEST(ChunkHead, IsHexadecimal) {
  ChunkHead head;
  EXPECT_EQ(head.write(0), "0\r\n");
  EXPECT_EQ(head.write(0x1a2), "1a2\r\n");
  EXPECT_EQ(head.write(~std::uint64_t{0}), "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace corral::http
