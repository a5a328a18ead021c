#include "request_maker.h"

#include <cstdio>

namespace corral::fuzz {
namespace {

using namespace std::string_literals;  // NOLINT: "..."s keeps NUL bytes

std::string in_hex(std::size_t number) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%zx", number);
  return digits;
}

}  // namespace

std::string RequestMaker::next() {
  std::string bytes;
  for (std::size_t count = 1 + pick(3); count > 0; --count) {
    if (rarely()) bytes += line_end();
    bytes += request_line() + fields() + framing_and_body();
  }
  if (pick(4) == 0) damage(bytes);
  if (pick(20) == 0) bytes.resize(pick(bytes.size() + 1));
  return bytes;
}

std::string RequestMaker::line_end() {
  static const Choices kUsual = {"\r\n"};
  static const Choices kOdd = {"\n", "\r", "\r\r\n", "\n\r", "\r\n ", "\r\n\t", "\r\n\r\n", ""};
  return pick(400) == 0 ? pick_of(kOdd) : pick_of(kUsual);
}

std::string RequestMaker::request_line() {
  static const Choices kMethods = {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"};
  static const Choices kOddMethods = {"PURGE", "get",   "CONNECT",  "PRI",    "G\tT",    "",
                                      "TRACE", "QUERY", "M-SEARCH", "SOURCE", "DESCRIBE"};
  static const Choices kTargets = {"/", "/a", "/a?b=c", "/%41%2f?%20", "//x/../y", "/a;b=c|d\"<>"};
  static const Choices kOddTargets = {"*",
                                      "http://a",
                                      "http://a/p?q",
                                      "HTTP://A:80/",
                                      "http://b/",
                                      "https://a/",
                                      "a:80",
                                      "a",
                                      "/\x80",
                                      "/a#b",
                                      "/a b",
                                      "?q",
                                      "http://u@a/",
                                      "http:///p",
                                      "/a\tb",
                                      "/a\x7f",
                                      "http://a?q",
                                      "ftp://a/",
                                      "",
                                      "/a\0b"s,
                                      "http://[::1]/",
                                      "//a/b?c#d",
                                      "http://a:80:80/"};
  static const Choices kVersions = {"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"};
  static const Choices kOddVersions = {"HTTP/1.2",  "HTTP/2.0",  "HTTP/0.9",  "http/1.1",
                                       "HTTP/1.1 ", "HTTP/1.10", "HTTP/01.1", "HTP/1.1",
                                       "",          "ICE/1.0",   "HTTP/1,1",  "RTSP/1.0"};
  static const Choices kSpaces = {" "};
  static const Choices kOddSpaces = {"  ", "\t", "", " \r\n", "\v"};
  return pick_of(kMethods, kOddMethods) + pick_of(kSpaces, kOddSpaces) +
         pick_of(kTargets, kOddTargets) + pick_of(kSpaces, kOddSpaces) +
         pick_of(kVersions, kOddVersions) + line_end();
}

std::string RequestMaker::field(const std::string& name, const std::string& value) {
  static const Choices kColons = {": ", ":", ":  ", ":\t", ": \t "};
  static const Choices kOddColons = {" : ", "\t:", "", "::", ":\r\n ", "\0:"s, ":\v", ";", ": ,"};
  static const Choices kAfter = {"", "", "", " ", "\t "};
  static const Choices kOddAfter = {"\0"s, "\v", "\x7f", ",", "\r", ";", "\xff", "\f"};
  return name + pick_of(kColons, kOddColons) + value + pick_of(kAfter, kOddAfter) + line_end();
}

std::string RequestMaker::fields() {
  static const Choices kHosts = {"a"};
  static const Choices kOddHosts = {"b", "a:80", "", "a,b", "[::1]", "u@a", "a b", "a/b", "A"};
  static const Choices kNames = {
      "X-A", "accept",  "Cookie",  "Connection", "Expect",          "User-Agent",
      "TE",  "Trailer", "Upgrade", "Keep-Alive", "Proxy-Connection"};
  static const Choices kOddNames = {"X_A",       "Content_Length",    "X A",  "X(A", "",
                                    "\x80",      "Transfer_Encoding", "Host", "Hos", "Hostt",
                                    "Connectio", "Connection_",       "X\0"s};
  static const Choices kValues = {"a",          "",         "a=1; b=2", "close",
                                  "keep-alive", "upgrade",  "x,close",  "100-continue",
                                  "close , x",  "trailers", "\xc3\xa9", "websocket"};
  static const Choices kOddValues = {"a\x01",     "a\tb",      "\x7f",
                                     "clos",      "closed",    "keep-alive,close",
                                     "close;q=1", "\"close\"", "close close",
                                     "a\0b"s,     "a\rb",      "x, keep-alive ,",
                                     ",,close",   "close\t",   "Keep-Alive,upgrade"};
  std::string bytes;
  const bool host_last = pick(4) == 0;
  if (!host_last && !rarely()) bytes += field("Host", pick_of(kHosts, kOddHosts));
  for (std::size_t count = pick(4); count > 0; --count)
    bytes += field(pick_of(kNames, kOddNames), pick_of(kValues, kOddValues));
  if (host_last || rarely()) bytes += field("hOST", pick_of(kHosts, kOddHosts));
  return bytes;
}

std::string RequestMaker::framing_and_body() {
  static const Choices kBodies = {"", "x", "hello", "GET / HTTP/1.1\r\n\r\n", "0\r\n\r\n"};
  static const Choices kOddLengths = {"+1",
                                      "-1",
                                      "0x1",
                                      "1,1",
                                      "1 1",
                                      "01",
                                      "",
                                      "1.0",
                                      "1,",
                                      "1;a",
                                      "\"1\"",
                                      "1_0",
                                      " ",
                                      "00",
                                      "18446744073709551617",
                                      "99999999999999999999"};
  static const Choices kCodings = {"chunked", "Chunked"};
  static const Choices kOddCodings = {
      "gzip, chunked", "chunked, gzip", "chunked,chunked", "xchunked",
      "chunked;q=1",   "identity",      "\"chunked\"",     "",
      "chunked,",      ",chunked",      "chunkedx",        "chunked chunked",
      "gzip"};
  std::string bytes;
  switch (pick(3)) {
    case 0: {
      if (rarely()) bytes += field("Content-Length", pick_of(kOddLengths));
      return bytes + line_end();
    }
    case 1: {
      const std::string& body = pick_of(kBodies);
      const std::string length = rarely() ? pick_of(kOddLengths) : std::to_string(body.size());
      bytes += field("Content-Length", length);
      if (rarely()) bytes += field("content-length", length);
      if (rarely()) bytes += field("Transfer-Encoding", pick_of(kCodings, kOddCodings));
      return bytes + line_end() + body;
    }
    default:
      bytes += field("Transfer-Encoding", pick_of(kCodings, kOddCodings));
      if (rarely()) bytes += field("Transfer-Encoding", pick_of(kCodings, kOddCodings));
      if (rarely()) bytes += field("Content-Length", "5");
      return bytes + line_end() + chunked_body();
  }
}

std::string RequestMaker::chunk(const std::string& data) {
  static const Choices kBefore = {"", "", "", "0", "000"};
  static const Choices kOddBefore = {" ", "0x", "+", "-", "\t", "\v", "\r\n", "f0000000000000000",
                                     "_"};
  static const Choices kAfter = {"", "", ";a", ";a=b", ";a=\"b;c\"", ";a;b=c"};
  static const Choices kOddAfter = {" ",           "\t",    ";",     ";a=",         ";a=\"b",
                                    "; a",         ";a =b", ";a\n",  ";a=\"\r\n\"", ";\0"s,
                                    ";a b",        ";=b",   ",",     "h",           ";a=\"\\\"\"",
                                    ";a=\"\x80\"", ";a=b;", ";a;;b", ";a=\"b\"c"};
  return pick_of(kBefore, kOddBefore) + in_hex(data.size()) + pick_of(kAfter, kOddAfter) +
         line_end() + data;
}

std::string RequestMaker::chunked_body() {
  static const Choices kData = {"a", "hello", "\r\n0\r\n\r\n", "0123456789abcdef0", "\r\n"};
  std::string bytes;
  for (std::size_t count = pick(3); count > 0; --count) bytes += chunk(pick_of(kData)) + line_end();
  return bytes + chunk("") + trailers() + line_end();
}

std::string RequestMaker::trailers() {
  static const Choices kNames = {"X-Sum", "etag"};
  static const Choices kOddNames = {
      "Content-Length", "Transfer-Encoding", "Host", "X_Sum", "", "X Y", "Connection",
      "Cookie",         "Authorization"};
  static const Choices kValues = {"1", "", "\xff", "a:b"};
  static const Choices kOddValues = {"5", "chunked", "close", "a\0"s, "a\rb"};
  std::string bytes;
  if (pick(3) != 0) return bytes;
  for (std::size_t count = pick(3); count > 0; --count)
    bytes += field(pick_of(kNames, kOddNames), pick_of(kValues, kOddValues));
  return bytes;
}

void RequestMaker::damage(std::string& bytes) {
  static const Choices kBytes = {"\r", "\n", " ",  "\t",   "\0"s, ":",
                                 ",",  ";",  "\v", "\x7f", "0",   "a"};
  if (bytes.empty()) return;
  const std::size_t at = pick(bytes.size());
  switch (pick(3)) {
    case 0:
      bytes.insert(at, pick_of(kBytes));
      break;
    case 1:
      bytes.erase(at, 1);
      break;
    default:
      bytes.replace(at, 1, pick_of(kBytes));
  }
}

}  // namespace corral::fuzz
