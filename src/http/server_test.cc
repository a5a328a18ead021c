// A server with worker threads that answer at once, and clients that come and go: for lifetimes and
// races, in the tsan and asan presets.
#include "http/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <latch>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace corral::http {
namespace {

int listen_anywhere(sockaddr_in& address) {
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  EXPECT_EQ(::listen(fd, 1024), 0);
  return fd;
}

class ServerTest : public testing::Test {
 protected:
  explicit ServerTest(HttpLimits limits = {})
      : server_(limits, {}, {}, Server::Listening::alone, queue_, log_) {
    EXPECT_TRUE(server_.start({listen_anywhere(address_)}));
    server_.serve();
  }
  ~ServerTest() override {
    std::latch drained(1);
    server_.drain([&] { drained.count_down(); });
    drained.wait();
    queue_.close();
    server_.polling().wake();
    for (std::thread& worker : workers_) worker.join();
    server_.stop();
  }

  // Answers each request with its target.
  void start_workers(int count) {
    for (int index = 0; index < count; ++index) {
      workers_.emplace_back([this] {
        while (auto taken = server_.polling().take(leaves_)) {
          const std::string target(taken->item.request().target);
          taken->item.fail(500, target + "\n");
        }
      });
    }
  }

  Fd connect() {
    Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    return client;
  }

  static std::string read_all(const Fd& client) {
    std::string all;
    char part[4096];
    for (ssize_t count; (count = ::recv(client.get(), part, sizeof part, 0)) > 0;)
      all.append(part, static_cast<std::size_t>(count));
    return all;
  }

  static void send(const Fd& client, std::string_view bytes) {
    EXPECT_EQ(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  Fd log_fd_{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  Log log_{{.fd = log_fd_.get()}};
  Server::Queue queue_{1024};
  sockaddr_in address_{};
  const std::atomic<bool> leaves_{false};  // of no worker
  Server server_;
  std::vector<std::thread> workers_;
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

}  // namespace
}  // namespace corral::http
