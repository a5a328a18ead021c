// A server on a port of its own, with workers without Python, and clients that block.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <functional>
#include <latch>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "http/server.h"

namespace corral::http {

class ServerForTest : public testing::Test {
 protected:
  explicit ServerForTest(HttpLimits limits = {}) : server_(limits, {}, {}, nullptr, queue_, log_) {
    EXPECT_TRUE(server_.start({listen_anywhere()}));
    server_.serve();
  }
  ~ServerForTest() override { end(); }

  // Drains and stops. May be repeated.
  void end() {
    if (std::exchange(is_ended_, true)) return;
    std::latch drained(1);
    server_.drain([&] { drained.count_down(); });
    drained.wait();
    queue_.close();
    server_.polling().wake();
    for (std::thread& worker : workers_) worker.join();
    server_.stop();
  }

  void start_worker(std::function<void(Exchange)> respond) {
    workers_.emplace_back([this, respond = std::move(respond)] {
      while (auto taken = server_.polling().take(leaves_)) respond(std::move(taken->item));
    });
  }

  Fd connect() {
    Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    set_bytes(client.get(), SO_RCVBUF, 32 * 1024);
    const timeval patience{30, 0};
    EXPECT_EQ(::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    return client;
  }

  Server& server() { return server_; }
  Log& log() { return log_; }

 private:
  // Both ends take little, so that a socket is soon full. What is accepted inherits it.
  static void set_bytes(int fd, int option, int bytes) {
    EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes), 0);
  }

  int listen_anywhere() {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_bytes(fd, SO_SNDBUF, 16 * 1024);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address_), size), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address_), &size), 0);
    EXPECT_EQ(::listen(fd, 1024), 0);
    return fd;
  }

  Fd log_fd_{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  Log log_{{.fd = log_fd_.get()}};
  Server::Queue queue_{1024};
  sockaddr_in address_{};
  const std::atomic<bool> leaves_{false};  // of no worker
  Server server_;
  std::vector<std::thread> workers_;
  bool is_ended_ = false;
};

// One read of so many bytes at the most; nothing at the end.
inline std::string read_some(const Fd& client, std::size_t bytes_max) {
  std::string bytes(bytes_max, '\0');
  const ssize_t count = ::recv(client.get(), bytes.data(), bytes.size(), 0);
  bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return bytes;
}

inline std::string read_all(const Fd& client) {
  std::string all;
  for (std::string part; !(part = read_some(client, 4096)).empty();) all += part;
  return all;
}

inline void send(const Fd& client, std::string_view bytes) {
  EXPECT_EQ(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

}  // namespace corral::http
