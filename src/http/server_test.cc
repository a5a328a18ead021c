// A server with worker threads that answer at once, and clients that come and go: for lifetimes and
// races, in the tsan and asan presets.
#include "http/server.h"

#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/server_for_test.h"

namespace corral::http {
namespace {

class ServerTest : public ServerForTest {
 protected:
  // Answers each request with its target.
  void start_workers(int count) {
    for (int index = 0; index < count; ++index) {
      start_worker([](Exchange exchange) {
        const std::string target(exchange.request().target);
        exchange.fail(500, target + "\n");
      });
    }
  }
};

int count_of(std::string_view part, std::string_view all) {
  int count = 0;
  for (std::size_t at = 0; (at = all.find(part, at)) != std::string_view::npos; at += part.size())
    ++count;
  return count;
}

// A worker that has answered reads and passes on the next request of that connection; another one
// may have answered that, and the poller deleted the connection, before it is done with passing on.
TEST_F(ServerTest, AConnectionMayEndWhileItsRequestIsPassedOn) {
  constexpr int kClients = 4, kTurns = 300;
  start_workers(3);
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([this] {
      for (int turn = 0; turn < kTurns; ++turn) {
        const Fd connection = connect();
        send(connection,
             "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
             "POST /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
        EXPECT_EQ(count_of("HTTP/1.1 500", read_all(connection)), 2);
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

constexpr HttpLimits no_room() {
  HttpLimits limits;
  limits.write_stall_max_ms = 200;
  limits.unsent_total_bytes_max = limits.unsent_files_total_bytes_max = 0;
  return limits;
}

class FullSocketTest : public ServerForTest {
 protected:
  FullSocketTest() : ServerForTest(no_room()) {}
  ~FullSocketTest() override { end(); }
};

// Whoever answers in a worker's place watches others, too: no client makes it wait.
TEST_F(FullSocketTest, WhoAnswersInAWorkersPlaceDoesNotWaitForTheClient) {
  std::latch answered(1);
  start_worker([&](Exchange exchange) {
    const std::string interim =
        "HTTP/1.1 103 Early Hints\r\nX: " + std::string(60, 'x') + "\r\n\r\n";
    while (exchange.send_interim(interim) != Sent::gone) {
    }
    const auto waits_in_vain = [this] {
      Counters& counters = server().counters();
      return counters.of(Limit::write_stall).load() + counters.of(Limit::write_rate).load();
    };
    const auto before = waits_in_vain();
    EXPECT_GE(before, 1U);
    exchange.expire();
    EXPECT_EQ(waits_in_vain(), before);
    answered.count_down();
  });
  const Fd client = connect();
  send(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  answered.wait();
}

}  // namespace
}  // namespace corral::http
