#include "net/networks.h"

#include <gtest/gtest.h>

namespace corral::net {
namespace {

struct Row {
  const char* list;
  const char* host;
  bool is_in;
};

class Membership : public testing::TestWithParam<Row> {};

TEST_P(Membership, IsByPrefix) {
  const Row& row = GetParam();
  auto networks = Networks::parse(row.list);
  ASSERT_TRUE(networks) << row.list;
  EXPECT_EQ(networks->contains(row.host), row.is_in) << row.list << " " << row.host;
}

INSTANTIATE_TEST_SUITE_P(Networks, Membership,
                         testing::ValuesIn<Row>({
                             {"127.0.0.1", "127.0.0.1", true},
                             {"127.0.0.1", "127.0.0.2", false},
                             {"127.0.0.1,::1", "::1", true},
                             {"127.0.0.1,::1", "::2", false},
                             {"10.0.0.0/8", "10.255.0.1", true},
                             {"10.0.0.0/8", "11.0.0.0", false},
                             {"172.16.0.0/12", "172.31.255.255", true},
                             {"172.16.0.0/12", "172.32.0.0", false},
                             {"192.168.1.128/25", "192.168.1.127", false},
                             {"192.168.1.128/25", "192.168.1.128", true},
                             {"192.168.1.6/31", "192.168.1.7", true},
                             {"192.168.1.6/31", "192.168.1.8", false},
                             {"fd00::/8", "fdff::1", true},
                             {"fd00::/8", "fe00::1", false},
                             {"2001:db8::/33", "2001:db8:7fff::", true},
                             {"2001:db8::/33", "2001:db8:8000::", false},
                             {"0.0.0.0/0", "8.8.8.8", true},
                             {"0.0.0.0/0", "::1", false},
                             {"::/0", "::1", true},
                             {"::/0", "8.8.8.8", false},
                             {"127.0.0.1,*", "8.8.8.8", true},
                             {"*", "fe80::1", true},
                             {"0.0.0.0/0,::/0", "", false},
                             {"::/0", "not an address, and longer than any address is", false},
                         }));

class Refused : public testing::TestWithParam<const char*> {};

TEST_P(Refused, NamesTheItem) {
  const auto networks = Networks::parse(GetParam());
  ASSERT_FALSE(networks) << GetParam();
  EXPECT_NE(networks.error().message.find("is neither an address nor a network"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Networks, Refused,
                         testing::Values("", "127.0.0.1,", ",", "localhost", "10.0.0.0/33",
                                         "::/129", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/-1",
                                         "10.0.0.1/8", "fd00::1/8", "10.0.0", " 10.0.0.0",
                                         "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"));

}  // namespace
}  // namespace corral::net
