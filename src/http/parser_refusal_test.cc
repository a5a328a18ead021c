// What the parser refuses: one row a behaviour. And its limits, at their edge.
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "http/head_finder.h"
#include "http/parser.h"
#include "http/parser_heads_for_test.h"

namespace corral::http {
namespace {

using namespace std::string_literals;  // NOLINT: "..."s keeps NUL bytes

struct RefusedRow {
  const char* name;
  std::string head;
  int status;

  friend void PrintTo(const RefusedRow& row, std::ostream* out) { *out << row.name; }
};

class Refused : public testing::TestWithParam<RefusedRow> {};

TEST_P(Refused, WithItsStatus) {
  Request request;
  const Refusal refusal = parse(request, GetParam().head);
  EXPECT_EQ(refusal.status, GetParam().status) << refusal.reason;
  EXPECT_STRNE(refusal.reason, "");
}

const std::vector<RefusedRow> kRefused = {
    // request line
    {"two_leading_empty_lines", "\r\n\r\n" + get_with(""), 400},
    {"leading_bare_lf", "\n" + get_with(""), 400},
    {"leading_space", " " + get_with(""), 400},
    {"no_method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"method_not_a_token", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"method_too_long", std::string(33, 'A') + " / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"tab_after_method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"two_spaces_after_method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"two_spaces_after_target", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"space_after_version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"no_target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"http09", "GET /\r\n\r\n", 400},
    {"lower_case_version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"version_of_one_digit", "GET / HTTP/1\r\nHost: a\r\n\r\n", 400},
    {"version_of_three_digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
    {"version_1_2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
    {"version_0_9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
    {"version_2_0", "PRI * HTTP/2.0\r\n\r\n", 505},
    {"bare_lf_after_request_line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
    {"bare_cr_after_request_line", "GET / HTTP/1.1\rHost: a\r\n\r\n", 400},
    // target
    {"fragment", get_target("/a#b"), 400},
    {"space_in_target", get_target("/a b"), 400},
    {"non_ascii_target", get_target("/caf\xc3\xa9"), 400},
    {"control_byte_in_target", get_target("/a\x01"), 400},
    {"nul_in_target", get_target("/a\0b"s), 400},
    {"delete_in_target", get_target("/a\x7f"), 400},
    {"relative_target", get_target("a/b"), 400},
    {"asterisk_with_get", get_target("*"), 400},
    {"asterisk_and_more", "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"authority_form_with_get", get_target("a:80"), 400},
    {"connect", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501},
    {"connect_ipv6", "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n", 501},
    {"connect_with_path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"connect_with_asterisk", "CONNECT * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"connect_with_absolute_form", "CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"connect_without_port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"connect_ipv6_without_port", "CONNECT [::1] HTTP/1.1\r\nHost: [::1]\r\n\r\n", 400},
    {"connect_empty_port", "CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"unknown_scheme", get_target("ftp://a/"), 400},
    {"absolute_form_other_host", get_target("http://b/"), 400},
    {"absolute_form_other_port", get_target("http://a:8080/"), 400},
    {"absolute_form_other_default_port", get_target("http://a:443/"), 400},
    {"absolute_form_without_authority", get_target("http:///p"), 400},
    {"absolute_form_with_user", get_target("http://u@a/"), 400},
    {"absolute_form_without_host_field", "GET http://a/ HTTP/1.1\r\n\r\n", 400},
    {"absolute_form_https", get_target("https://a/"), 421},
    {"absolute_form_https_in_capitals", get_target("HTTPS://a/"), 421},
    // header lines
    {"space_before_colon", get_with("X : b\r\n"), 400},
    {"tab_before_colon", get_with("X\t: b\r\n"), 400},
    {"obs_fold_space", get_with("X: a\r\n b\r\n"), 400},
    {"obs_fold_tab", get_with("X: a\r\n\tb\r\n"), 400},
    {"space_before_first_header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"no_colon", get_with("X\r\n"), 400},
    {"empty_name", get_with(": b\r\n"), 400},
    {"name_not_a_token", get_with("X(Y): b\r\n"), 400},
    {"non_ascii_name", get_with("\xc3\xa9: b\r\n"), 400},
    {"nul_in_name", get_with("X\0: b\r\n"s), 400},
    {"bare_cr_in_value", get_with("X: a\rb\r\n"), 400},
    {"bare_cr_that_swallows_a_byte", get_with("X: a\rbY: c\r\n"), 400},
    {"bare_cr_before_crlf", get_with("X: a\r\r\n"), 400},
    {"bare_lf_in_value", get_with("X: a\nY: b\r\n"), 400},
    {"bare_lf_line", get_with("X: a\r\n\n"), 400},
    {"nul_in_value", get_with("X: a\0b\r\n"s), 400},
    {"control_byte_in_value", get_with("X: a\x1b[0m\r\n"), 400},
    {"delete_in_value", get_with("X: a\x7f\r\n"), 400},
    {"bytes_after_the_end", get_with("") + "X: a\r\n\r\n", 400},
    {"no_end", "GET / HTTP/1.1\r\nHost: a\r\n", 400},
    {"cut_in_a_name", "GET / HTTP/1.1\r\nHost: a\r\nX", 400},
    {"cut_in_a_value", "GET / HTTP/1.1\r\nHost: a\r\nX: b", 400},
    {"cut_after_cr", "GET / HTTP/1.1\r\nHost: a\r\n\r", 400},
    {"nothing", "", 400},
    // Host
    {"no_host", "GET / HTTP/1.1\r\n\r\n", 400},
    {"repeated_host", get_with("Host: a\r\n"), 400},
    {"repeated_host_in_1_0", "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400},
    {"empty_host", get_host(""), 400},
    {"host_with_user", get_host("u@a"), 400},
    {"host_with_path", get_host("a/b"), 400},
    {"host_with_space", get_host("a b"), 400},
    {"host_list", get_host("a, b"), 400},
    {"host_list_without_space", get_host("a,b"), 400},
    {"host_only_port", get_host(":80"), 400},
    {"host_port_not_a_number", get_host("a:8x"), 400},
    {"host_port_too_large", get_host("a:65536"), 400},
    {"host_port_too_long", get_host("a:000080"), 400},
    {"host_two_ports", get_host("a:80:81"), 400},
    {"host_bad_escape", get_host("a%2"), 400},
    {"host_non_ascii", get_host("\xc3\xa9"), 400},
    {"host_ipv6_without_brackets", get_host("::1"), 400},
    {"host_ipv6_not_closed", get_host("[::1"), 400},
    {"host_ipv6_malformed", get_host("[1:2]"), 400},
    {"host_ipv6_zone", get_host("[fe80::1%25eth0]"), 400},
    {"host_ipv6_and_more", get_host("[::1]a"), 400},
    {"host_ipv4_in_brackets", get_host("[127.0.0.1]"), 400},
    // framing
    {"length_plus", get_with("Content-Length: +5\r\n"), 400},
    {"length_minus", get_with("Content-Length: -5\r\n"), 400},
    {"length_hex", get_with("Content-Length: 0x5\r\n"), 400},
    {"length_empty", get_with("Content-Length:\r\n"), 400},
    {"length_list", get_with("Content-Length: 5, 5\r\n"), 400},
    {"length_inner_space", get_with("Content-Length: 5 5\r\n"), 400},
    {"length_space_after", get_with("Content-Length: 5 \r\n"), 400},
    {"length_tab_after", get_with("Content-Length: 5\t\r\n"), 400},
    {"length_fraction", get_with("Content-Length: 5.0\r\n"), 400},
    {"length_quoted", get_with("Content-Length: \"5\"\r\n"), 400},
    {"length_overflow_64_bit", get_with("Content-Length: 18446744073709551621\r\n"), 400},
    {"length_very_long", get_with("Content-Length: 12345678901234567890\r\n"), 400},
    {"length_leading_zero", get_with("Content-Length: 05\r\n"), 400},
    {"length_two_zeros", get_with("Content-Length: 00\r\n"), 400},
    {"length_repeated", get_with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
    {"length_repeated_in_other_case", get_with("Content-Length: 5\r\ncontent-length: 6\r\n"), 400},
    {"length_and_coding", get_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
    {"coding_and_length", get_with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
    {"length_with_underscore", get_with("Content_Length: 5\r\n"), 400},
    {"coding_with_underscore", get_with("TRANSFER_ENCODING: chunked\r\n"), 400},
    {"coding_in_1_0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"coding_repeated", get_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
     400},
    {"coding_split_over_fields",
     get_with("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), 400},
    {"coding_empty", get_with("Transfer-Encoding:\r\n"), 400},
    {"coding_identity", get_with("Transfer-Encoding: identity\r\n"), 400},
    {"coding_identity_then_chunked", get_with("Transfer-Encoding: identity, chunked\r\n"), 400},
    {"coding_twice_chunked", get_with("Transfer-Encoding: chunked, chunked\r\n"), 400},
    {"coding_chunked_not_final", get_with("Transfer-Encoding: chunked, gzip\r\n"), 400},
    {"coding_without_chunked", get_with("Transfer-Encoding: gzip\r\n"), 400},
    {"coding_prefix", get_with("Transfer-Encoding: xchunked\r\n"), 400},
    {"coding_quoted", get_with("Transfer-Encoding: \"chunked\"\r\n"), 400},
    {"coding_parameter", get_with("Transfer-Encoding: chunked;q=1\r\n"), 400},
    {"coding_vertical_tab",
     get_with("Transfer-Encoding: \x0b"
              "chunked\r\n"),
     400},
    {"coding_empty_element", get_with("Transfer-Encoding: , chunked\r\n"), 400},
    {"coding_trailing_comma", get_with("Transfer-Encoding: chunked,\r\n"), 400},
    {"coding_unknown_then_chunked", get_with("Transfer-Encoding: gzip, chunked\r\n"), 400},
    {"coding_space_after", get_with("Transfer-Encoding: chunked \r\n"), 400},
    {"coding_tab_after", get_with("Transfer-Encoding: chunked\t\r\n"), 400},
    // expectations
    {"unknown_expectation", get_with("Expect: 200-ok\r\n"), 417},
    {"empty_expectation", get_with("Expect:\r\n"), 417},
    {"two_expectations", get_with("Expect: 100-continue, x\r\n"), 417},
    {"second_expectation_unknown", get_with("Expect: 100-continue\r\nExpect: x\r\n"), 417},
};

INSTANTIATE_TEST_SUITE_P(Head, Refused, testing::ValuesIn(kRefused),
                         [](const auto& row) { return std::string(row.param.name); });

// --- limits, at their edge

int early_status_of(std::string_view bytes, const HttpLimits& limits) {
  HeadFinder finder(limits);
  EXPECT_NE(finder.find(bytes), HeadFinder::State::found);
  return finder.refusal().status;
}

TEST(Limits, RequestLine) {
  HttpLimits limits;
  limits.request_line_bytes_max = 40;
  const auto head = [](std::size_t line_bytes) {
    return "GET /" + std::string(line_bytes - 14, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  EXPECT_EQ(status_of(head(40), limits), 0);
  EXPECT_EQ(status_of(head(41), limits), 414);
  EXPECT_EQ(status_of(head(500), limits), 414);
  EXPECT_EQ(status_of("\r\n" + head(40), limits), 0);
  EXPECT_EQ(early_status_of(head(40).substr(0, 42), limits), 0);
  EXPECT_EQ(early_status_of(head(41).substr(0, 42), limits), 414);
  EXPECT_EQ(early_status_of("\r\n" + head(40).substr(0, 42), limits), 0);
}

TEST(Limits, Head) {
  HttpLimits limits;
  limits.header_bytes_max = 100;
  const auto head = [](std::size_t bytes) {
    return get_with("X: " + std::string(bytes - get_with("").size() - 5, 'v') + "\r\n");
  };
  ASSERT_EQ(head(100).size(), 100u);
  EXPECT_EQ(status_of(head(100), limits), 0);
  EXPECT_EQ(status_of(head(101), limits), 431);
  EXPECT_EQ(early_status_of(head(100).substr(0, 99), limits), 0);
  EXPECT_EQ(early_status_of(head(101).substr(0, 100), limits), 431);
}

TEST(Limits, FieldCount) {
  HttpLimits limits;
  limits.header_count_max = 3;
  EXPECT_EQ(status_of(get_with("A: 1\r\nB: 2\r\n"), limits), 0);
  EXPECT_EQ(status_of(get_with("A: 1\r\nB: 2\r\nC: 3\r\n"), limits), 431);
  EXPECT_EQ(status_of(get_with("A_: 1\r\nB_: 2\r\nC_: 3\r\n"), limits), 431)
      << "dropped fields count too";
}

// --- names with underscores

const std::string kUnderscores =
    get_with("My_Name: 1\r\nX_Forwarded_For: 2\r\nx_forwarded-FOR: 3\r\nX-Forwarded-For: 4\r\n");

std::vector<std::string> read_values(UnderscoreHeaders setting) {
  HttpLimits limits;
  limits.underscore_headers = setting;
  Request request;
  EXPECT_FALSE(parse(request, kUnderscores, limits));
  std::vector<std::string> values;
  for (const Header& header : request.headers) values.emplace_back(header.value);
  return values;
}

TEST(Underscores, AreDroppedByDefault) {
  EXPECT_EQ(HttpLimits().underscore_headers, UnderscoreHeaders::drop);
  EXPECT_EQ(read_values(UnderscoreHeaders::drop), (std::vector<std::string>{"a", "4"}));
}

TEST(Underscores, CanBeRefused) {
  HttpLimits limits;
  limits.underscore_headers = UnderscoreHeaders::refuse;
  EXPECT_EQ(status_of(kUnderscores, limits), 400);
  EXPECT_EQ(status_of(get_with("_: 1\r\n"), limits), 400);
  EXPECT_EQ(status_of(get_with("My-Name: a_b\r\n"), limits), 0);
}

TEST(Underscores, CanPassButNotPoseAsANameThatMatters) {
  EXPECT_EQ(read_values(UnderscoreHeaders::pass), (std::vector<std::string>{"a", "1", "4"}));
}

TEST(Underscores, NeverFrameABody) {
  for (UnderscoreHeaders setting :
       {UnderscoreHeaders::drop, UnderscoreHeaders::refuse, UnderscoreHeaders::pass}) {
    HttpLimits limits;
    limits.underscore_headers = setting;
    EXPECT_EQ(status_of(get_with("Content_Length: 5\r\n"), limits), 400);
    EXPECT_EQ(status_of(get_with("transfer_ENCODING: chunked\r\n"), limits), 400);
  }
}

}  // namespace
}  // namespace corral::http
