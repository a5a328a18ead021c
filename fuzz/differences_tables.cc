// The tables. Each row has an example, which differences_test.cc tries.
#include <algorithm>

#include "differences.h"
#include "http/bytes.h"

namespace corral::fuzz {
namespace {

std::string with_line(const std::string& line) {
  return line + "\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
}

std::string with_fields(const std::string& fields) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

std::string with_chunks(const std::string& chunks) {
  return with_fields("Transfer-Encoding: chunked\r\n") + chunks;
}

std::string repeat(const std::string& text, int times) {
  std::string all;
  while (times-- > 0) all += text;
  return all;
}

const std::string kLongName(9000, 'a');

bool has_field(const Message& message, std::string_view name) {
  return std::any_of(message.fields.begin(), message.fields.end(),
                     [&](const Field& field) { return http::equals_lower(field.name, name); });
}

bool is_in_wire(const Message& message, std::string_view bytes) {
  return message.wire.find(bytes) != std::string::npos;
}

// Methods of HTTP that llhttp 8 knows, and does not take for those of another protocol.
bool is_known_method(const Message& message) {
  static constexpr std::string_view kMethods[] = {
      "DELETE",   "GET",        "HEAD",     "POST",   "PUT",       "OPTIONS",     "TRACE",
      "COPY",     "LOCK",       "MKCOL",    "MOVE",   "PROPFIND",  "PROPPATCH",   "SEARCH",
      "UNLOCK",   "BIND",       "REBIND",   "UNBIND", "ACL",       "REPORT",      "MKACTIVITY",
      "CHECKOUT", "MERGE",      "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PATCH",
      "PURGE",    "MKCALENDAR", "LINK",     "UNLINK"};
  return std::find(std::begin(kMethods), std::end(kMethods), message.method) != std::end(kMethods);
}

bool has_unknown_method(const Message& message) { return !is_known_method(message); }

}  // namespace

std::span<const Stricter> stricter_rows() {
  static const std::vector<Stricter> kRows = {
      // request line
      {"no method at the start of the request line",
       "9112 2.2: at least one empty line is ignored before a request; here exactly one",
       "\r\n\r\n" + with_line("GET / HTTP/1.1")},
      {"bytes that cannot begin a request", "9112 2.2: a bare CR is invalid",
       "\r\n\r" + with_line("GET / HTTP/1.1")},
      {"no target in the request line", "9112 3: a single space, not several",
       with_line("GET  / HTTP/1.1")},
      {"malformed version, or bytes after it", "9112 3: a single space; 2.3: HTTP-name is HTTP",
       with_line("GET / RTSP/1.0")},
      {"no version in the request line", "9112 3: HTTP/0.9 is not HTTP/1", "GET /\r\n\r\n"},
      {"neither HTTP/1.0 nor HTTP/1.1", "9110 15.6.6: what is not implemented is refused with 505",
       with_line("GET / HTTP/2.0")},
      {"forbidden byte in the target", "9112 3.2: a target has no fragment",
       with_line("GET /a#b HTTP/1.1")},
      {"malformed target, or one of a form that does not fit the method",
       "9112 3.2: a server of http answers for no other scheme",
       with_line("GET ftp://a/ HTTP/1.1")},
      {"https target on a connection without TLS", "9110 7.4: misdirected requests are rejected",
       with_line("GET https://a/ HTTP/1.1")},
      {"asterisk-form target with a method other than OPTIONS", "9112 3.2.4",
       with_line("GET * HTTP/1.1")},
      {"invalid authority in the target", "9110 4.2.4: user information is an error",
       with_line("GET http://u@a/ HTTP/1.1")},
      {"CONNECT with a target other than host and port", "9112 3.2.3",
       with_line("CONNECT / HTTP/1.1")},
      {"CONNECT: this is not a proxy", "9110 9.1: 501 for what is not implemented",
       with_line("CONNECT a:80 HTTP/1.1")},
      // lines and fields
      {"bare LF in the head", "9112 2.2: a recipient may, not must, take it for a line end",
       "GET / HTTP/1.1\r\nHost: a\r\n\n"},
      {"bare CR in the head", "9112 2.2: a bare CR is invalid", "\r" + with_line("GET / HTTP/1.1")},
      {"folded header line", "9112 5.2: a server must reject obs-fold or unfold it",
       with_fields("X: a\r\n b\r\n")},
      {"header line without a name", "9110 5.1: a name has at least one byte",
       with_fields(": a\r\n")},
      {"underscore in a header name", "9112 6.3: to CGI it is the name that frames a body",
       with_fields("Content_Length: 5\r\n")},
      {"unknown expectation", "9110 10.1.1: 417", with_fields("Expect: x\r\n")},
      {"no Host", "9112 3.2", "GET / HTTP/1.1\r\n\r\n"},
      {"repeated Host", "9112 3.2", with_fields("Host: a\r\n")},
      {"invalid Host", "9112 3.2", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
      {"Host differs from the target's authority",
       "9112 3.2.2: the target counts; others read Host", with_line("GET http://b/ HTTP/1.1")},
      // framing
      {"Transfer-Encoding in HTTP/1.0", "9112 6.1: its framing is faulty",
       "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"Transfer-Encoding other than one final chunked", "9112 6.1: unknown codings are refused",
       with_fields("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n"},
      {"repeated Transfer-Encoding", "9112 6.1: chunked must be applied once",
       with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n") + "0\r\n\r\n"},
      {"malformed Content-Length",
       "9110 8.6: digits; blanks and leading zeros are read differently",
       with_fields("Content-Length: 05\r\n") + "hello"},
      {"control byte or bare LF in a chunk extension",
       "9110 5.6.4: quoted text has no control bytes",
       with_chunks("1;a=\"\x7f\"\r\na\r\n0\r\n\r\n")},
      {"malformed chunk extension", "9112 7.1.1: a name follows a semicolon",
       with_chunks("1;a=b;\r\na\r\n0\r\n\r\n")},
      {"chunk size with too many digits", "9112 7.1: a recipient must expect large sizes",
       with_chunks("00000000000000000001\r\na\r\n0\r\n\r\n")},
      {"control byte or bare LF in the trailers", "9112 2.2", with_chunks("0\r\n\n")},
      {"malformed trailer field", "9112 5.2: obs-fold", with_chunks("0\r\nX: a\r\n b\r\n\r\n")},
      {"underscore in the name of a trailer field", "9110 6.5.1: to CGI it is one that frames",
       with_chunks("0\r\nContent_Length: 5\r\n\r\n")},
      {"framing or routing field in the trailers", "9110 6.5.1",
       with_chunks("0\r\nContent-Length: 5\r\n\r\n")},
      // limits
      {"request line over its limit", "9112 3: 414", with_line("GET /" + kLongName + " HTTP/1.1")},
      {"head over its limit", "9110 5.4: 431", with_fields("X: " + repeat(kLongName, 4) + "\r\n")},
      {"more header fields than the limit", "9110 5.4: 431", with_fields(repeat("X: a\r\n", 100))},
      {"chunk extension over its limit", "9112 7.1.1: a server ought to limit them",
       with_chunks("1;" + kLongName + "\r\na\r\n0\r\n\r\n")},
      {"trailers over the header limit", "9110 5.4: 431",
       with_chunks("0\r\nX: " + repeat(kLongName, 4) + "\r\n\r\n")},
      {"more trailer fields than the limit of headers", "9110 5.4: 431",
       with_chunks("0\r\n" + repeat("X: a\r\n", 101) + "\r\n")},
  };
  return kRows;
}

std::span<const Looser> looser_rows() {
  static const std::vector<Looser> kRows = {
      {"HPE_INVALID_METHOD", "9110 9.1: a method is any token; llhttp has a list",
       with_line("BREW / HTTP/1.1"), has_unknown_method},
      {"HPE_INVALID_CONSTANT", "9110 9.1: a method is any token; to llhttp it is one of RTSP",
       with_line("DESCRIBE / HTTP/1.1"), has_unknown_method},
      {"HPE_INVALID_VERSION", "9110 9.1: a method is any token; to llhttp it begins HTTP/2",
       with_line("PRI / HTTP/1.1"), [](const Message& message) { return message.method == "PRI"; }},
      {"no end of it", "9110 9.1: a method is any token; llhttp waits for the rest of HTTP/2",
       "PRI / HTTP/1.0\r\n\r\n", [](const Message& message) { return message.method == "PRI"; }},
      {"HPE_STRICT", "9112 7.1.1: blanks may stand around ; and = in a chunk extension",
       with_chunks("1; a = b\r\na\r\n0\r\n\r\n"),
       [](const Message& message) {
         return has_field(message, "transfer-encoding") && is_in_wire(message, ";");
       }},
      {"keep-alive", "9112 C.2.2: Proxy-Connection has no meaning; llhttp takes it for Connection",
       with_fields("Proxy-Connection: close\r\n"),
       [](const Message& message) { return has_field(message, "proxy-connection"); }},
      {"keep-alive", "9112 9.3: close counts before keep-alive; in 1.0 llhttp sees only the latter",
       "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
       [](const Message& message) {
         return has_field(message, "connection") && message.version_minor == 0 &&
                !message.keep_alive;
       }},
      {"keep-alive",
       "9110 5.6.3: a tab is white space too; behind \"close\" llhttp knows only spaces",
       with_fields("Connection: close\t\r\n"),
       [](const Message& message) {
         return has_field(message, "connection") && is_in_wire(message, "\t");
       }},
  };
  return kRows;
}

}  // namespace corral::fuzz
