// The end of a head while its bytes come in, what is refused before it is there, and what the
// search costs however the head is cut.
#include "http/head_finder.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "http/parser.h"

namespace corral::http {
namespace {

using namespace std::string_literals;  // NOLINT: "..."s keeps NUL bytes
using State = HeadFinder::State;

struct Row {
  const char* name;
  std::string bytes;
  State state;
  int status = 0;

  friend void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }
};

class Finder : public testing::TestWithParam<Row> {
 protected:
  // What is still wanted stays wanted however the bytes are cut.
  void expect(HeadFinder& finder, State state) {
    EXPECT_EQ(state, GetParam().state) << finder.refusal().reason;
    EXPECT_EQ(finder.refusal().status, GetParam().status) << finder.refusal().reason;
  }
  const HttpLimits limits_{};
};

TEST_P(Finder, Whole) {
  for (const scan::Variant* variant : scan::variants()) {
    HeadFinder finder(limits_, *variant);
    expect(finder, finder.find(GetParam().bytes));
  }
}

TEST_P(Finder, ByteByByte) {
  for (const scan::Variant* variant : scan::variants()) {
    HeadFinder finder(limits_, *variant);
    State state = State::more;
    for (std::size_t size = 0; size <= GetParam().bytes.size() && state == State::more; ++size)
      state = finder.find(std::string_view(GetParam().bytes).substr(0, size));
    expect(finder, state);
  }
}

const std::vector<Row> kRows = {
    {"nothing_yet", "", State::more},
    {"cr", "\r", State::more},
    {"one_empty_line", "\r\n", State::more},
    {"one_empty_line_and_a_method", "\r\nG", State::more},
    {"unfinished_line_end", "GET / HTTP/1.1\r", State::more},
    {"method", "GET", State::more},
    {"method_at_its_limit", std::string(32, 'A'), State::more},
    {"last_byte_missing", "GET / HTTP/1.1\r\nHost: a\r\n\r", State::more},
    {"line_of_a_space", "G\r\n \r\n", State::refused, 400},
    {"longest_line", "GET /" + std::string(8 * 1024 - 14, 'a') + " HTTP/1.1\r\n", State::more},
    {"longest_unfinished_line", "GET /" + std::string(8 * 1024 - 4, 'a'), State::more},
    {"longest_unfinished_head", "GET / HTTP/1.1\r\nX: " + std::string(32 * 1024 - 20, 'a'),
     State::more},
    {"head", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", State::found},
    {"head_after_an_empty_line", "\r\nGET / HTTP/1.1\r\n\r\n", State::found},
    // refused
    {"bare_lf_first", "\n", State::refused, 400},
    {"cr_and_more", "\rG", State::refused, 400},
    {"tls_hello", "\x16\x03\x01\x02", State::refused, 400},
    {"nul", "\0"s, State::refused, 400},
    {"space_first", " ", State::refused, 400},
    {"space_after_an_empty_line", "\r\n GET", State::refused, 400},
    {"method_bad_byte", "GE\xff", State::refused, 400},
    {"method_over_its_limit", std::string(33, 'A'), State::refused, 501},
    {"bare_lf_request_line", "GET / HTTP/1.1\n", State::refused, 400},
    {"bare_lf_header_line", "GET / HTTP/1.1\r\nHost: a\n", State::refused, 400},
    {"bare_lf_at_the_end", "GET / HTTP/1.1\r\nHost: a\r\n\n", State::refused, 400},
    {"bare_cr_request_line", "GET / HTTP/1.1\rH", State::refused, 400},
    {"bare_cr_header_line", "GET / HTTP/1.1\r\nHost: a\r\r", State::refused, 400},
    {"bare_cr_at_the_end", "GET / HTTP/1.1\r\nHost: a\r\n\rG", State::refused, 400},
    {"endless_line", "GET /" + std::string(8 * 1024, 'a'), State::refused, 414},
    {"endless_header", "GET / HTTP/1.1\r\nX: " + std::string(32 * 1024, 'a'), State::refused, 431},
};

INSTANTIATE_TEST_SUITE_P(Head, Finder, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(HeadFinder, LeavesWhatFollows) {
  const HttpLimits limits;
  HeadFinder finder(limits);
  ASSERT_EQ(finder.find("\r\nG / HTTP/1.1\r\n\r\nX\n"), State::found);
  EXPECT_EQ(finder.head_bytes(), 18u);
}

TEST(HeadFinder, LeavesTwoEmptyLinesToTheParser) {
  const HttpLimits limits;
  HeadFinder finder(limits);
  ASSERT_EQ(finder.find("\r\n\r\nGET / HTTP/1.1\r\n\r\n"), State::found);
  Request request;
  request.head = std::string("\r\n\r\nGET / HTTP/1.1\r\n\r\n").substr(0, finder.head_bytes());
  EXPECT_EQ(parse_head(request, limits).status, 400);
}

TEST(HeadFinder, BeginsAfreshAfterReset) {
  const HttpLimits limits;
  HeadFinder finder(limits);
  for (const Row& row : kRows) {
    finder.reset();
    EXPECT_EQ(finder.find(row.bytes), row.state) << row.name;
    EXPECT_EQ(finder.refusal().status, row.status) << row.name;
  }
}

// --- what it costs: bytes given to the scans, counted

std::size_t bytes_searched, bytes_marked;

constexpr scan::Variant kCounting{"counting",
                                  [](const char* bytes, std::size_t size, std::size_t from) {
                                    bytes_searched += size - from;
                                    return scan::best().find_stop(bytes, size, from);
                                  },
                                  [](const char* bytes, std::size_t size, scan::Marks* marks) {
                                    bytes_marked += size;
                                    scan::best().mark(bytes, size, marks);
                                  }};

// 32 KiB with the longest request line, long and short values, and names of many lengths.
std::string make_largest_head() {
  std::string head = "GET /" + std::string(8 * 1024 - 14, 'a') + " HTTP/1.1\r\nHost: a\r\n";
  for (std::size_t number = 0; head.size() < 30 * 1024; ++number)
    head += std::string(1 + number, 'x') + ": " + std::string(number * 7 % 900, 'v') + "\r\n";
  head += "last: ";
  head += std::string(HttpLimits().header_bytes_max - head.size() - 4, 'v') + "\r\n\r\n";
  return head;
}

TEST(HeadFinder, LooksAtEachByteOnceHoweverTheHeadIsCut) {
  const HttpLimits limits;
  const std::string head = make_largest_head();
  ASSERT_EQ(head.size(), limits.header_bytes_max);
  for (std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1460}, head.size()}) {
    bytes_searched = bytes_marked = 0;
    HeadFinder finder(limits, kCounting);
    State state = State::more;
    for (std::size_t size = 0; state == State::more && size < head.size();) {
      size = std::min(size + step, head.size());
      state = finder.find(std::string_view(head).substr(0, size));
    }
    ASSERT_EQ(state, State::found) << finder.refusal().reason;
    EXPECT_EQ(bytes_searched, head.size()) << "in steps of " << step;
    EXPECT_EQ(bytes_marked, 0u) << "it is parsed when it is there";

    Request request;
    request.head = head;
    ASSERT_FALSE(parse_head(request, limits, kCounting));
    EXPECT_LE(bytes_marked, head.size());
    EXPECT_GT(bytes_marked, head.size() / 2) << "all but the target";
    EXPECT_EQ(bytes_searched, head.size()) << "and not searched again";
  }
}

}  // namespace
}  // namespace corral::http
