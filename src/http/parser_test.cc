// What the parser accepts and what it makes of it: one row a behaviour.
#include "http/parser.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "http/authority.h"
#include "http/head_finder.h"
#include "http/parser_heads_for_test.h"

namespace corral::http {
namespace {

using namespace std::string_literals;  // NOLINT: "..."s keeps NUL bytes

constexpr std::size_t kNone = std::string_view::npos;

struct AcceptedRow {
  const char* name;
  std::string head;
  void (*expect)(const Request&);

  friend void PrintTo(const AcceptedRow& row, std::ostream* out) { *out << row.name; }
};

class Accepted : public testing::TestWithParam<AcceptedRow> {};

TEST_P(Accepted, AndReadRightly) {
  Request request;
  const Refusal refusal = parse(request, GetParam().head);
  ASSERT_EQ(refusal.status, 0) << refusal.reason;
  GetParam().expect(request);
}

const std::vector<AcceptedRow> kAccepted = {
    {"least", get_with(""),
     [](const Request& r) {
       EXPECT_EQ(r.method, "GET");
       EXPECT_EQ(r.target, "/");
       EXPECT_EQ(r.path, "/");
       EXPECT_EQ(r.raw_path, "/");
       EXPECT_EQ(r.query, "");
       EXPECT_EQ(r.host, "a");
       EXPECT_EQ(r.version_minor, 1);
       EXPECT_TRUE(r.keep_alive);
       EXPECT_FALSE(r.expects_continue);
       EXPECT_EQ(r.framing, BodyFraming::none);
       ASSERT_EQ(r.headers.size(), 1u);
       EXPECT_EQ(r.headers[0].id, HeaderId::host);
     }},
    {"leading_empty_line", "\r\n" + get_with(""),
     [](const Request& r) { EXPECT_EQ(r.method, "GET"); }},
    {"any_token_is_a_method", "purge-!x / HTTP/1.1\r\nHost: a\r\n\r\n",
     [](const Request& r) { EXPECT_EQ(r.method, "purge-!x"); }},
    {"longest_method", std::string(32, 'A') + " / HTTP/1.1\r\nHost: a\r\n\r\n",
     [](const Request& r) { EXPECT_EQ(r.method.size(), 32u); }},
    {"no_host_in_1_0", "GET / HTTP/1.0\r\n\r\n",
     [](const Request& r) {
       EXPECT_EQ(r.host, "");
       EXPECT_EQ(r.version_minor, 0);
       EXPECT_FALSE(r.keep_alive);
     }},
    // target
    {"query", get_target("/a/b?x=1&y=?2"),
     [](const Request& r) {
       EXPECT_EQ(r.raw_path, "/a/b");
       EXPECT_EQ(r.query, "x=1&y=?2");
       EXPECT_EQ(r.target, "/a/b?x=1&y=?2");
     }},
    {"empty_query", get_target("/a?"),
     [](const Request& r) {
       EXPECT_EQ(r.raw_path, "/a");
       EXPECT_EQ(r.query, "");
     }},
    {"double_slash_path", get_target("//b/c"),
     [](const Request& r) {
       EXPECT_EQ(r.path, "//b/c");
       EXPECT_EQ(r.host, "a");
     }},
    {"dot_segments_stay", get_target("/a/../b"),
     [](const Request& r) { EXPECT_EQ(r.path, "/a/../b"); }},
    {"what_browsers_leave_raw", get_target("/a|b\"<>[]{}^`\\?|[]{}^`\\'"),
     [](const Request& r) { EXPECT_EQ(r.path, "/a|b\"<>[]{}^`\\"); }},
    {"escapes", get_target("/caf%C3%a9%20%2F?%41"),
     [](const Request& r) {
       EXPECT_EQ(r.path, "/caf\xc3\xa9 /");
       EXPECT_EQ(r.raw_path, "/caf%C3%a9%20%2F");
       EXPECT_EQ(r.query, "%41");
     }},
    {"escaped_question_mark", get_target("/a%3Fb"),
     [](const Request& r) {
       EXPECT_EQ(r.path, "/a?b");
       EXPECT_EQ(r.query, "");
     }},
    {"escaped_nul", get_target("/a%00b"), [](const Request& r) { EXPECT_EQ(r.path, "/a\0b"s); }},
    {"invalid_escapes_stay", get_target("/%zz%4%%41%"),
     [](const Request& r) { EXPECT_EQ(r.path, "/%zz%4%A%"); }},
    {"plus_stays", get_target("/a+b"), [](const Request& r) { EXPECT_EQ(r.path, "/a+b"); }},
    {"escaped_percent_once", get_target("/%2541"),
     [](const Request& r) { EXPECT_EQ(r.path, "/%41"); }},
    {"asterisk_form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
     [](const Request& r) {
       EXPECT_EQ(r.target, "*");
       EXPECT_EQ(r.path, "*");
     }},
    {"absolute_form", get_target("http://a/p?q"),
     [](const Request& r) {
       EXPECT_EQ(r.target, "/p?q");
       EXPECT_EQ(r.path, "/p");
       EXPECT_EQ(r.query, "q");
       EXPECT_EQ(r.host, "a");
     }},
    {"absolute_form_case_and_default_port", get_target("HTTP://A:80/p"),
     [](const Request& r) { EXPECT_EQ(r.path, "/p"); }},
    {"absolute_form_without_path", get_target("http://a"),
     [](const Request& r) {
       EXPECT_EQ(r.target, "/");
       EXPECT_EQ(r.path, "/");
     }},
    {"absolute_form_only_query", get_target("http://a?q"),
     [](const Request& r) {
       EXPECT_EQ(r.target, "/?q");
       EXPECT_EQ(r.path, "/");
       EXPECT_EQ(r.raw_path, "/");
       EXPECT_EQ(r.query, "q");
     }},
    {"absolute_form_options", "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
     [](const Request& r) { EXPECT_EQ(r.path, "*"); }},
    {"absolute_form_gives_host_in_1_0", "GET http://b:81/ HTTP/1.0\r\n\r\n",
     [](const Request& r) { EXPECT_EQ(r.host, "b:81"); }},
    // Host
    {"host_port", get_host("www.example.com:8000"),
     [](const Request& r) { EXPECT_EQ(r.host, "www.example.com:8000"); }},
    {"host_empty_port", get_host("a:"), [](const Request& r) { EXPECT_EQ(r.host, "a:"); }},
    {"host_largest_port", get_host("a:65535"),
     [](const Request& r) { EXPECT_EQ(r.host, "a:65535"); }},
    {"host_ipv4", get_host("127.0.0.1"), [](const Request& r) { EXPECT_EQ(r.host, "127.0.0.1"); }},
    {"host_ipv6", get_host("[2001:db8::1]"),
     [](const Request& r) { EXPECT_EQ(r.host, "[2001:db8::1]"); }},
    {"host_ipv6_port", get_host("[::ffff:1.2.3.4]:80"),
     [](const Request& r) { EXPECT_EQ(r.host, "[::ffff:1.2.3.4]:80"); }},
    {"host_underscore", get_host("my_host"),
     [](const Request& r) { EXPECT_EQ(r.host, "my_host"); }},
    {"host_escape", get_host("a%2Db"), [](const Request& r) { EXPECT_EQ(r.host, "a%2Db"); }},
    // header lines
    {"values_are_trimmed", get_with("X: \t a \t b\t \r\n"),
     [](const Request& r) { EXPECT_EQ(r.headers[1].value, "a \t b"); }},
    {"empty_values", get_with("X:\r\nY: \r\n"),
     [](const Request& r) {
       ASSERT_EQ(r.headers.size(), 3u);
       EXPECT_EQ(r.headers[1].value, "");
       EXPECT_EQ(r.headers[2].value, "");
     }},
    {"no_space_after_colon", get_with("X:a:b\r\n"),
     [](const Request& r) { EXPECT_EQ(r.headers[1].value, "a:b"); }},
    {"latin1_value", get_with("X: \xe9\xff\r\n"),
     [](const Request& r) { EXPECT_EQ(r.headers[1].value, "\xe9\xff"); }},
    {"names_as_sent", get_with("uSER-aGENT: x\r\n"),
     [](const Request& r) {
       EXPECT_EQ(r.headers[1].id, HeaderId::user_agent);
       EXPECT_EQ(r.headers[1].name, "uSER-aGENT");
     }},
    {"underscored_names_are_dropped",
     get_with("X_Forwarded_For: 1\r\nX-Forwarded-For: 2\r\nA_: 3\r\n"),
     [](const Request& r) {
       ASSERT_EQ(r.headers.size(), 2u);
       EXPECT_EQ(r.headers[1].value, "2");
     }},
    {"cookies_stay_separate", get_with("Cookie: a=1\r\nX: y\r\nCookie: b=2\r\n"),
     [](const Request& r) {
       ASSERT_EQ(r.headers.size(), 4u);
       EXPECT_EQ(r.headers[1].id, HeaderId::cookie);
       EXPECT_EQ(r.headers[3].id, HeaderId::cookie);
       EXPECT_EQ(r.find(HeaderId::cookie)->value, "a=1");
     }},
    // framing
    {"length", get_with("Content-Length: 5\r\n"),
     [](const Request& r) {
       EXPECT_EQ(r.framing, BodyFraming::length);
       EXPECT_EQ(r.content_length, 5u);
     }},
    {"length_zero", get_with("Content-Length: 0\r\n"),
     [](const Request& r) {
       EXPECT_EQ(r.framing, BodyFraming::length);
       EXPECT_EQ(r.content_length, 0u);
     }},
    {"length_after_blanks", get_with("Content-Length: \t 5\r\n"),
     [](const Request& r) { EXPECT_EQ(r.content_length, 5u); }},
    {"length_largest", get_with("Content-Length: 9999999999999999999\r\n"),
     [](const Request& r) { EXPECT_EQ(r.content_length, 9999999999999999999u); }},
    {"length_in_1_0", "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n",
     [](const Request& r) { EXPECT_EQ(r.framing, BodyFraming::length); }},
    {"chunked", get_with("Transfer-Encoding: \tCHUNKED\r\n"),
     [](const Request& r) {
       EXPECT_EQ(r.framing, BodyFraming::chunked);
       EXPECT_EQ(r.content_length, 0u);
     }},
    // keep-alive
    {"close", get_with("Connection: Close\r\n"),
     [](const Request& r) { EXPECT_FALSE(r.keep_alive); }},
    {"close_in_a_list", get_with("Connection: x,, close ,y\r\n"),
     [](const Request& r) { EXPECT_FALSE(r.keep_alive); }},
    {"close_in_a_second_field", get_with("Connection: x\r\nConnection: close\r\n"),
     [](const Request& r) { EXPECT_FALSE(r.keep_alive); }},
    {"close_beats_keep_alive", get_with("Connection: keep-alive, close\r\n"),
     [](const Request& r) { EXPECT_FALSE(r.keep_alive); }},
    {"closed_is_not_close", get_with("Connection: closed, clo se\r\n"),
     [](const Request& r) { EXPECT_TRUE(r.keep_alive); }},
    {"keep_alive_in_1_0", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
     [](const Request& r) { EXPECT_TRUE(r.keep_alive); }},
    {"close_in_1_0", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
     [](const Request& r) { EXPECT_FALSE(r.keep_alive); }},
    // expectations
    {"expects_continue", get_with("Expect: 100-Continue\r\nContent-Length: 1\r\n"),
     [](const Request& r) { EXPECT_TRUE(r.expects_continue); }},
    {"expects_continue_chunked", get_with("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"),
     [](const Request& r) { EXPECT_TRUE(r.expects_continue); }},
    {"no_body_no_continue", get_with("Expect: 100-continue\r\n"),
     [](const Request& r) { EXPECT_FALSE(r.expects_continue); }},
    {"expectations_mean_nothing_in_1_0",
     "POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\n",
     [](const Request& r) { EXPECT_FALSE(r.expects_continue); }},
};

INSTANTIATE_TEST_SUITE_P(Head, Accepted, testing::ValuesIn(kAccepted),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(ParseHead, LeavesNothingOfTheRequestBefore) {
  Request request;
  ASSERT_FALSE(parse(
      request,
      "POST /a%41?b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n"));
  request.head = "GET http://b HTTP/1.0\r\n\r\n";  // without reset()
  ASSERT_FALSE(parse_head(request, HttpLimits()));
  EXPECT_EQ(request.path, "/");
  EXPECT_EQ(request.query, "");
  EXPECT_EQ(request.host, "b");
  EXPECT_TRUE(request.headers.empty());
  EXPECT_EQ(request.framing, BodyFraming::none);
  EXPECT_EQ(request.content_length, 0u);
  EXPECT_FALSE(request.expects_continue);
  EXPECT_FALSE(request.keep_alive);
}

TEST(ParseHead, RefusesEveryAcceptedHeadCutShort) {
  for (const AcceptedRow& row : kAccepted) {
    for (std::size_t size = 0; size < row.head.size(); ++size) {
      Request request;
      request.head.reserve(size);  // exact, so that a sanitizer sees a read past it
      request.head.append(row.head, 0, size);
      EXPECT_NE(parse_head(request, HttpLimits()).status, 0) << row.name << " cut at " << size;
    }
  }
}

// --- every byte, everywhere: the grammar written down a second time

bool is_alnum(int byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= 'a' && byte <= 'z');
}

bool is_tchar(int byte) {
  return is_alnum(byte) ||
         (byte != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(byte)) != kNone);
}

TEST(ParseHead, AcceptsExactlyTheFieldBytesAtEveryPlaceOfAValue) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool allowed = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    for (std::size_t place = 0; place < 40; ++place) {
      std::string value(40, 'v');
      value[place] = static_cast<char>(byte);
      EXPECT_EQ(status_of(get_with("X: " + value + "\r\n")), allowed ? 0 : 400)
          << byte << " at " << place;
    }
  }
}

TEST(ParseHead, FindsAForbiddenByteBesideATab) {
  for (int byte : {0x00, 0x1f, 0x7f}) {
    for (std::size_t place = 0; place < 16; ++place) {
      std::string value(16, '\t');
      value[place] = static_cast<char>(byte);
      EXPECT_EQ(status_of(get_with("X: a" + value + "b\r\n")), 400) << byte << " at " << place;
    }
  }
}

TEST(ParseHead, AcceptsExactlyTheTokenBytesInANameAndAMethod) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = "X"s + static_cast<char>(byte) + "Y";
    EXPECT_EQ(status_of(text + " / HTTP/1.1\r\nHost: a\r\n\r\n") == 0, is_tchar(byte)) << byte;
    if (byte == ':') continue;  // ends the name
    EXPECT_EQ(status_of(get_with(text + ": v\r\n")) == 0, is_tchar(byte)) << byte;
  }
}

TEST(ParseHead, AcceptsExactlyVisibleAsciiInATarget) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool allowed = byte > 0x20 && byte < 0x7f && byte != '#';
    EXPECT_EQ(status_of(get_target("/a"s + static_cast<char>(byte) + "b")) == 0, allowed) << byte;
    EXPECT_EQ(status_of(get_target("/?a"s + static_cast<char>(byte) + "b")) == 0, allowed) << byte;
  }
}

TEST(ParseHead, AcceptsExactlyRegNameBytesInAHost) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool allowed =
        is_alnum(byte) ||
        (byte != 0 && std::string_view("-._~!$&'()*+;=").find(static_cast<char>(byte)) != kNone);
    EXPECT_EQ(status_of(get_host("a"s + static_cast<char>(byte) + "b")) == 0, allowed) << byte;
  }
}

TEST(Authority, IsReadWithinItsBounds) {
  EXPECT_TRUE(is_authority("a%2F"));
  EXPECT_FALSE(is_authority(std::string_view("a%2F").substr(0, 3)));
  EXPECT_FALSE(is_authority(std::string_view("[::1\0]", 6)));
  EXPECT_FALSE(is_authority("["));
  EXPECT_FALSE(is_authority("]"));
  EXPECT_FALSE(is_authority(""));
  for (std::size_t size = 0; size < 64; ++size)
    EXPECT_FALSE(is_authority("[" + std::string(size, '1') + "]"));
}

// --- the heads above while their bytes come in

TEST(HeadFinderOnAcceptedHeads, FindsTheEndAtEverySplitAndRefusesNothing) {
  const HttpLimits limits;
  for (const AcceptedRow& row : kAccepted) {
    const std::string bytes = row.head + "GET /next HTTP/1.1\r\n\r\n";
    for (std::size_t split = 0; split <= bytes.size(); ++split) {
      SCOPED_TRACE(std::string(row.name) + " split at " + std::to_string(split));
      HeadFinder finder(limits);
      const HeadFinder::State early = finder.find(std::string_view(bytes).substr(0, split));
      const bool whole = split >= row.head.size();
      ASSERT_EQ(early, whole ? HeadFinder::State::found : HeadFinder::State::more)
          << finder.refusal().reason;
      if (!whole) {
        ASSERT_EQ(finder.find(bytes), HeadFinder::State::found);
      }
      ASSERT_EQ(finder.head_bytes(), row.head.size());
    }
  }
}

// --- header ids

TEST(HeaderIds, EveryNameIsFoundInAnyCase) {
  for (int number = 1; number < static_cast<int>(HeaderId::count); ++number) {
    const HeaderId id = static_cast<HeaderId>(number);
    std::string name(header_name(id));
    EXPECT_EQ(find_header_id(name), id) << name;
    for (char& byte : name)
      if (byte >= 'a' && byte <= 'z') byte = static_cast<char>(byte - 'a' + 'A');
    EXPECT_EQ(find_header_id(name), id) << name;
  }
}

TEST(HeaderIds, NearMissesAreOther) {
  for (int number = 1; number < static_cast<int>(HeaderId::count); ++number) {
    const std::string name(header_name(static_cast<HeaderId>(number)));
    for (std::size_t place = 0; place < name.size(); ++place) {
      std::string wrong = name;
      wrong[place] = static_cast<char>(wrong[place] ^ (name[place] == '-' ? 0x72 : 0x80));
      EXPECT_EQ(find_header_id(wrong), HeaderId::other) << wrong;
    }
    EXPECT_EQ(find_header_id(name + "x"), HeaderId::other);
    EXPECT_NE(find_header_id(name.substr(1)), static_cast<HeaderId>(number));
  }
  EXPECT_EQ(find_header_id(""), HeaderId::other);
  EXPECT_EQ(find_header_id("x"), HeaderId::other);
  EXPECT_EQ(find_header_id("content\rlength"), HeaderId::other);
}

TEST(Tokens, AreNotEmpty) {
  EXPECT_TRUE(is_token("a-B.1"));
  EXPECT_FALSE(is_token(""));
  EXPECT_FALSE(is_token("a b"));
}

}  // namespace
}  // namespace corral::http
