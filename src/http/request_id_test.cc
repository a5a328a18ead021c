#include "http/request_id.h"

#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <unordered_set>
#include <vector>

#include "http/request.h"
#include "http/response.h"

namespace corral::http {
namespace {

using Peer = RequestIds::Peer;

std::string made(RequestIds& ids) {
  OwnRequestId id;
  ids.make(id);
  return std::string(id.view());
}

TEST(RequestIds, AreDigitsAndDifferWithinAProcessAndBetweenTwo) {
  RequestIds here, there;
  std::unordered_set<std::string> seen;
  for (int count = 0; count < 10'000; ++count) {
    for (RequestIds* ids : {&here, &there}) {
      const std::string id = made(*ids);
      EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << id;
      EXPECT_TRUE(is_request_id(id));
      EXPECT_TRUE(seen.insert(id).second) << id;
    }
  }
}

TEST(RequestIds, UseEveryDigitInEveryPlaceOfTheChangingHalf) {
  RequestIds ids;
  std::vector<std::unordered_set<char>> met(kRequestIdBytes / 2);
  for (int count = 0; count < 10'000; ++count) {
    const std::string id = made(ids);
    for (std::size_t place = 0; place < met.size(); ++place) met[place].insert(id[place]);
  }
  for (const auto& digits : met) EXPECT_EQ(digits.size(), 16U);
}

TEST(RequestId, IsOfTheseBytesAndSizes) {
  EXPECT_TRUE(is_request_id("a"));
  EXPECT_TRUE(is_request_id("azAZ09._~+/=-"));
  EXPECT_TRUE(is_request_id(std::string(kRequestIdBytesMax, 'x')));
  EXPECT_FALSE(is_request_id(std::string(kRequestIdBytesMax + 1, 'x')));
  EXPECT_FALSE(is_request_id(""));
  const std::string allowed = "._~+/=-";
  for (int byte = 0; byte < 256; ++byte) {
    const char text[] = {'a', static_cast<char>(byte), 'b'};
    const bool is_letter = byte < 128 && std::isalnum(byte) != 0;
    EXPECT_EQ(is_request_id({text, 3}),
              is_letter || (byte != 0 && allowed.find(text[1]) != std::string::npos))
        << byte;
  }
}

struct Row {
  const char* what;
  std::vector<std::string_view> sent;
  Peer peer;
  bool is_kept;
};

class Settled : public testing::TestWithParam<Row> {};

// Whatever came, there is one header, and it has the id.
TEST_P(Settled, LeavesOneHeader) {
  const Row& row = GetParam();
  Request request;
  request.headers.push_back({HeaderId::host, "Host", "a"});
  for (std::string_view value : row.sent) {
    request.headers.push_back({HeaderId::x_request_id, "x-request-id", value});
    request.headers.push_back({HeaderId::other, "Between", "b"});
  }
  RequestIds ids;
  ids.settle(request, row.peer);
  int count = 0, others = 0;
  for (const Header& header : request.headers) {
    if (header.id == HeaderId::x_request_id) {
      ++count;
      EXPECT_EQ(header.value, request.request_id);
    } else {
      ++others;
    }
  }
  EXPECT_EQ(count, 1);
  EXPECT_EQ(others, 1 + static_cast<int>(row.sent.size()));
  std::string line;
  append_request_id(line, request);
  EXPECT_EQ(line, "X-Request-ID: " + std::string(request.request_id) + "\r\n");
  if (row.is_kept) {
    EXPECT_EQ(request.request_id, row.sent[0]);
  } else {
    EXPECT_EQ(request.request_id.size(), kRequestIdBytes);
    for (std::string_view value : row.sent) EXPECT_NE(request.request_id, value);
  }
}

INSTANTIATE_TEST_SUITE_P(RequestIds, Settled,
                         testing::ValuesIn<Row>({
                             {"none", {}, Peer::trusted, false},
                             {"trusted", {"id-1"}, Peer::trusted, true},
                             {"stranger", {"id-1"}, Peer::stranger, false},
                             {"empty", {""}, Peer::trusted, false},
                             {"space", {"id 1"}, Peer::trusted, false},
                             {"two", {"id-1", "id-2"}, Peer::trusted, false},
                             {"two alike", {"id-1", "id-1"}, Peer::trusted, false},
                             {"three", {"id-1", "", "id-2"}, Peer::stranger, false},
                         }),
                         [](const auto& row) {
                           std::string name = row.param.what;
                           for (char& byte : name)
                             if (byte == ' ') byte = '_';
                           return name;
                         });

}  // namespace
}  // namespace corral::http
