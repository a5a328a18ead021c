// The chunked coding: one row a behaviour, each fed whole, byte by byte and at every split.
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "http/parser.h"

namespace corral::http {
namespace {

using namespace std::string_literals;  // NOLINT: "..."s keeps NUL bytes
using State = ChunkedDecoder::State;

HttpLimits make_limits() {
  HttpLimits limits;
  limits.chunk_extension_bytes_max = 16;
  limits.header_bytes_max = 64;
  limits.body_bytes_max = 1000;
  return limits;
}

struct Row {
  const char* name;
  std::string input;
  State state;
  std::size_t consumed;
  std::string body;
  int status;

  friend void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }
};

struct Result {
  State state = State::more;
  std::size_t consumed = 0;
  std::string body;
  int status = 0;
};

Result feed(ChunkedDecoder& decoder, const std::vector<std::string_view>& pieces) {
  Result result;
  for (std::string_view piece : pieces) {
    if (result.state != State::more) break;
    const ChunkedDecoder::Step step = decoder.decode(piece, result.body);
    result.state = step.state;
    result.consumed += step.consumed;
  }
  result.status = decoder.refusal().status;
  return result;
}

class Chunked : public testing::TestWithParam<Row> {
 protected:
  void expect(const std::vector<std::string_view>& pieces) {
    const HttpLimits limits = make_limits();
    ChunkedDecoder decoder(limits);
    const Result result = feed(decoder, pieces);
    EXPECT_EQ(result.state, GetParam().state) << decoder.refusal().reason;
    EXPECT_EQ(result.consumed, GetParam().consumed);
    EXPECT_EQ(result.body, GetParam().body);
    EXPECT_EQ(result.status, GetParam().status) << decoder.refusal().reason;
  }
};

TEST_P(Chunked, Whole) { expect({GetParam().input}); }

TEST_P(Chunked, ByteByByte) {
  std::vector<std::string_view> pieces;
  for (const char& byte : GetParam().input) pieces.emplace_back(&byte, 1);
  expect(pieces);
}

TEST_P(Chunked, AtEverySplit) {
  const std::string_view input = GetParam().input;
  for (std::size_t split = 0; split <= input.size(); ++split) {
    SCOPED_TRACE(split);
    expect({input.substr(0, split), input.substr(split)});
  }
}

// `consumed` of a refusal is the place of the byte that broke it.
const std::vector<Row> kRows = {
    {"empty_body", "0\r\n\r\n", State::done, 5, "", 0},
    {"one_chunk", "5\r\nhello\r\n0\r\n\r\n", State::done, 15, "hello", 0},
    {"several_chunks", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", State::done, 18, "abc", 0},
    {"the_next_request_is_left", "1\r\na\r\n0\r\n\r\nGET /", State::done, 11, "a", 0},
    {"hex_in_both_cases", "A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n", State::done, 36,
     "01234567890123456789a", 0},
    {"leading_zeros", "0001\r\na\r\n000\r\n\r\n", State::done, 16, "a", 0},
    {"sixteen_digits", "0000000000000001\r\na\r\n0\r\n\r\n", State::done, 26, "a", 0},
    {"data_that_looks_like_framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", State::done, 17,
     "\r\n0\r\n\r\n", 0},
    {"any_byte_in_data", "3\r\n\0\r\n\r\n0\r\n\r\n"s, State::done, 13, "\0\r\n"s, 0},
    {"extension", "1;a=b;c=\"d\"\r\na\r\n0;x\r\n\r\n", State::done, 23, "a", 0},
    {"extension_at_its_limit", "1;012345678901234\r\na\r\n0\r\n\r\n", State::done, 27, "a", 0},
    {"extensions_count_each", "1;01234567890123\r\na\r\n1;01234567890123\r\nb\r\n0\r\n\r\n",
     State::done, 47, "ab", 0},
    {"extension_with_blanks", "1; a = b \t; c\r\na\r\n0\r\n\r\n", State::done, 23, "a", 0},
    {"extension_quoted", "1;a=\";,\\\"\"\r\na\r\n0\r\n\r\n", State::done, 20, "a", 0},
    {"trailers", "0\r\nX-Sum: 1\r\nY:\r\n\r\n", State::done, 19, "", 0},
    {"unfinished_size", "5", State::more, 1, "", 0},
    {"unfinished_data", "5\r\nhel", State::more, 6, "hel", 0},
    {"unfinished_end", "0\r\n\r", State::more, 4, "", 0},
    {"nothing", "", State::more, 0, "", 0},
    // refused
    {"no_digits", "\r\nhello", State::refused, 0, "", 400},
    {"no_digits_but_extension", ";a\r\n", State::refused, 0, "", 400},
    {"leading_space", " 5\r\n", State::refused, 0, "", 400},
    {"space_after_size", "5 \r\nhello", State::refused, 1, "", 400},
    {"plus", "+5\r\n", State::refused, 0, "", 400},
    {"minus", "-5\r\n", State::refused, 0, "", 400},
    {"prefix_0x", "0x5\r\nhello", State::refused, 1, "", 400},
    {"underscore", "1_0\r\n", State::refused, 1, "", 400},
    {"not_hex", "5g\r\n", State::refused, 1, "", 400},
    {"seventeen_digits", "00000000000000005\r\n", State::refused, 16, "", 400},
    {"chunk_over_the_body_limit", "3e9\r\n", State::refused, 2, "", 413},
    {"size_overflow", "ffffffffffffffff0\r\n", State::refused, 2, "", 413},
    {"bare_lf_after_size", "5\nhello", State::refused, 1, "", 400},
    {"bare_cr_after_size", "5\rhello", State::refused, 2, "", 400},
    {"nul_in_extension", "5;\0\r\n"s, State::refused, 2, "", 400},
    {"extension_empty", "5;\r\n", State::refused, 2, "", 400},
    {"extension_two_semicolons", "5;a;;b\r\n", State::refused, 4, "", 400},
    {"extension_without_name", "5;=b\r\n", State::refused, 2, "", 400},
    {"extension_without_value", "5;a=\r\n", State::refused, 4, "", 400},
    {"extension_blank_at_the_end", "5;a \r\n", State::refused, 4, "", 400},
    {"extension_blank_in_a_name", "5;a b\r\n", State::refused, 4, "", 400},
    {"extension_value_not_a_token", "5;a=b/c\r\n", State::refused, 5, "", 400},
    {"extension_quote_open", "5;a=\"b\r\n", State::refused, 6, "", 400},
    {"extension_quote_open_by_escape", "5;a=\"\\\"\r\n", State::refused, 7, "", 400},
    {"extension_after_a_quote", "5;a=\"b\"c\r\n", State::refused, 7, "", 400},
    {"nul_in_quoted_extension", "5;a=\"\0\"\r\n"s, State::refused, 5, "", 400},
    {"bare_lf_in_extension", "5;a\nhello", State::refused, 3, "", 400},
    {"bare_cr_in_extension", "5;a\rb\r\n", State::refused, 4, "", 400},
    {"extension_over_its_limit", "1;0123456789012345\r\na", State::refused, 17, "", 400},
    {"data_too_long", "5\r\nhello!\r\n", State::refused, 8, "hello", 400},
    {"data_too_short", "5\r\nhell\r\n0\r\n\r\n", State::refused, 8, "hell\r", 400},
    {"bare_lf_after_data", "5\r\nhello\n0", State::refused, 8, "hello", 400},
    {"bare_cr_after_data", "5\r\nhello\r0", State::refused, 9, "hello", 400},
    {"bare_lf_at_the_end", "0\r\n\n", State::refused, 3, "", 400},
    {"bare_cr_at_the_end", "0\r\n\rG", State::refused, 4, "", 400},
    {"bare_lf_in_trailers", "0\r\nX: a\n\r\n", State::refused, 7, "", 400},
    {"bare_cr_in_trailers", "0\r\nX: a\rb\r\n\r\n", State::refused, 8, "", 400},
    {"control_byte_in_trailers", "0\r\nX: \x01\r\n\r\n", State::refused, 6, "", 400},
    {"folded_trailer", "0\r\nX: a\r\n b\r\n\r\n", State::refused, 12, "", 400},
    {"space_before_colon_in_trailers", "0\r\nX : a\r\n\r\n", State::refused, 9, "", 400},
    {"request_in_the_trailers", "0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", State::refused, 18, "",
     400},
    {"length_in_trailers", "0\r\nContent-Length: 5\r\n\r\n", State::refused, 21, "", 400},
    {"coding_in_trailers", "0\r\nTransfer-Encoding: chunked\r\n\r\n", State::refused, 30, "", 400},
    {"host_in_trailers", "0\r\nHost: b\r\n\r\n", State::refused, 11, "", 400},
    {"trailers_over_the_header_limit", "0\r\nX: " + std::string(100, 'a') + "\r\n\r\n",
     State::refused, 67, "", 431},
    {"many_trailers_over_the_limit",
     "0\r\n" + std::string("a:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n") +
         std::string("a:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n\r\n"),
     State::refused, 67, "", 431},
};

INSTANTIATE_TEST_SUITE_P(Decoder, Chunked, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(ChunkedDecoder, BeginsAfreshAfterReset) {
  const HttpLimits limits = make_limits();
  ChunkedDecoder decoder(limits);
  for (const Row& row : kRows) {
    decoder.reset();
    const Result result = feed(decoder, {row.input});
    EXPECT_EQ(result.state, row.state) << row.name;
    EXPECT_EQ(result.body, row.body) << row.name;
    EXPECT_EQ(result.status, row.status) << row.name;
  }
}

TEST(ChunkedDecoder, StaysRefused) {
  const HttpLimits limits = make_limits();
  ChunkedDecoder decoder(limits);
  std::string body;
  ASSERT_EQ(decoder.decode("x", body).state, State::refused);
  const ChunkedDecoder::Step step = decoder.decode("0\r\n\r\n", body);
  EXPECT_EQ(step.state, State::refused);
  EXPECT_EQ(step.consumed, 0u);
}

// --- trailers

HttpLimits make_trailer_limits(UnderscoreHeaders setting) {
  HttpLimits limits;
  limits.underscore_headers = setting;
  return limits;
}

// "name: value" for each, in the order sent.
std::vector<std::string> read_trailers(const std::string& lines, const HttpLimits& limits) {
  ChunkedDecoder decoder(limits);
  std::string body;
  EXPECT_EQ(decoder.decode("0\r\n" + lines + "\r\n", body).state, State::done)
      << decoder.refusal().reason;
  Request request;
  request.trailers.push_back({HeaderId::other, "left", "over"});
  decoder.give_trailers(request);
  EXPECT_TRUE(request.headers.empty()) << "they are kept apart";
  std::vector<std::string> trailers;
  for (const Header& trailer : request.trailers)
    trailers.push_back(std::string(trailer.name) + ": " + std::string(trailer.value));
  return trailers;
}

TEST(Trailers, AreReadLikeHeaders) {
  const HttpLimits limits;
  EXPECT_EQ(read_trailers("", limits), std::vector<std::string>());
  EXPECT_EQ(read_trailers("X-Sum:  1 2\t\r\ny:\r\nX-Sum: a:b\r\n", limits),
            (std::vector<std::string>{"X-Sum: 1 2", "y: ", "X-Sum: a:b"}));
}

TEST(Trailers, WithUnderscoresFollowTheSettingOfHeaders) {
  const std::string lines = "A: 1\r\nX_Sum: 2\r\nX_Forwarded_For: 3\r\nB: 4\r\n";
  EXPECT_EQ(read_trailers(lines, make_trailer_limits(UnderscoreHeaders::drop)),
            (std::vector<std::string>{"A: 1", "B: 4"}));
  EXPECT_EQ(read_trailers(lines, make_trailer_limits(UnderscoreHeaders::pass)),
            (std::vector<std::string>{"A: 1", "X_Sum: 2", "B: 4"}));
  std::string body;
  const HttpLimits refusing = make_trailer_limits(UnderscoreHeaders::refuse);
  ChunkedDecoder decoder(refusing);
  ASSERT_EQ(decoder.decode("0\r\n" + lines + "\r\n", body).state, State::refused);
  EXPECT_EQ(decoder.refusal().status, 400);
}

TEST(Trailers, ThatWouldChangeTheRequestAreNotKept) {
  const HttpLimits limits;
  EXPECT_EQ(read_trailers("Authorization: a\r\nX-Sum: 1\r\nCOOKIE: b\r\nContent-Type: c\r\n"
                          "content-encoding: d\r\nX-Forwarded-For: e\r\nAccept: f\r\n"
                          "X-Request-ID: g\r\nConnection: close\r\nAuthorizatio: 2\r\n",
                          limits),
            (std::vector<std::string>{"X-Sum: 1", "Authorizatio: 2"}));
  EXPECT_EQ(read_trailers("Content_Encoding: a\r\nX_Sum: 1\r\nMax_Forwards: 2\r\n",
                          make_trailer_limits(UnderscoreHeaders::pass)),
            (std::vector<std::string>{"X_Sum: 1"}));
  EXPECT_TRUE(may_be_trailer("Etag"));
  EXPECT_FALSE(may_be_trailer("hOST"));
}

TEST(Trailers, AreCounted) {
  HttpLimits limits;
  limits.header_count_max = 2;
  EXPECT_EQ(read_trailers("a: 1\r\nb: 2\r\n", limits).size(), 2u);
  std::string body;
  ChunkedDecoder decoder(limits);
  ASSERT_EQ(decoder.decode("0\r\na: 1\r\nb: 2\r\nc_: 3\r\n", body).state, State::refused);
  EXPECT_EQ(decoder.refusal().status, 431);
}

TEST(Trailers, OfOneBodyAreNotThoseOfTheNext) {
  const HttpLimits limits;
  ChunkedDecoder decoder(limits);
  std::string body;
  Request request;
  ASSERT_EQ(decoder.decode("0\r\nA: 1\r\n\r\n", body).state, State::done);
  decoder.give_trailers(request);
  EXPECT_EQ(request.trailers.size(), 1u);
  request.reset();
  EXPECT_TRUE(request.trailers.empty());
  decoder.reset();
  ASSERT_EQ(decoder.decode("0\r\n\r\n", body).state, State::done);
  decoder.give_trailers(request);
  EXPECT_TRUE(request.trailers.empty());
}

// Each of these chunks is small and allowed by itself.
TEST(ChunkedDecoder, RefusesABodyOfExtensions) {
  const HttpLimits limits;
  const std::string extension = ";" + std::string(limits.chunk_extension_bytes_max - 1, 'x');
  ChunkedDecoder decoder(limits);
  std::string body;
  std::size_t chunks = 0;
  while (decoder.decode("1" + extension + "\r\na\r\n", body).state == State::more) ++chunks;
  EXPECT_EQ(decoder.refusal().status, 400);
  EXPECT_EQ(decoder.refusal().limit, Limit::chunk_extension);
  EXPECT_EQ(chunks, 16u * 1024 / (extension.size() - 2));

  decoder.reset();
  const std::string chunk = "100" + extension + "\r\n" + std::string(256, 'a') + "\r\n";
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(decoder.decode(chunk, body).state, State::more);
}

TEST(ChunkedDecoder, AppendsToWhatIsThere) {
  const HttpLimits limits = make_limits();
  ChunkedDecoder decoder(limits);
  std::string body = "before ";
  decoder.decode("5\r\nafter\r\n0\r\n\r\n", body);
  EXPECT_EQ(body, "before after");
}

TEST(ChunkedDecoderDeathTest, DecodingOnAfterTheEndIsABug) {
  const HttpLimits limits = make_limits();
  ChunkedDecoder decoder(limits);
  std::string body;
  ASSERT_EQ(decoder.decode("0\r\n\r\n", body).state, State::done);
  EXPECT_DEATH(decoder.decode("0\r\n\r\n", body), "reset\\(\\) comes first");
}

}  // namespace
}  // namespace corral::http
