// Answers to pipelined requests, held back and sent together, over real sockets with workers that
// answer at once: order, bytes, and that none waits behind a slow request. For races in the tsan
// preset.
#include "http/held_back.h"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/response.h"
#include "http/server_for_test.h"

namespace corral::http {
namespace {

constexpr std::string_view kHost = " HTTP/1.1\r\nHost: a\r\n\r\n";

std::string get(std::string_view target) {
  return std::string("GET ").append(target).append(kHost);
}

std::string body_of(const Fd& client) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    const std::string byte = read_some(client, 1);
    if (byte.empty()) return "the end, after " + head;
    head += byte;
  }
  const std::size_t at = head.find("Content-Length: ");
  EXPECT_NE(at, std::string::npos) << head;
  std::string body;
  for (std::size_t left = std::stoul(head.substr(at + 16)); left > 0;) {
    const std::string part = read_some(client, left);
    if (part.empty()) return "the end, after " + body;
    left -= part.size();
    body += part;
  }
  return body;
}

// A worker answers with as many bytes as the target says, each the letter it begins with; to
// "/wait" when it is let go.
class HeldBackTest : public ServerForTest {
 protected:
  ~HeldBackTest() override {
    go_on_.release(1000);  // should a test have failed
    end();
  }

  void start_workers(int count) {
    for (int index = 0; index < count; ++index) {
      start_worker([this](Exchange exchange) { respond(std::move(exchange)); });
    }
  }

  // Short requests until those before, which were not, are forgotten.
  void make_quick() {
    const Fd client = connect();
    do {
      send(client, get("/q1"));
      ASSERT_EQ(body_of(client), "q");
    } while (!server().polling().are_runs_short());
  }

  void respond(Exchange exchange) {
    std::string body(exchange.request().target);
    if (body == "/wait") {
      waiting_.release();
      go_on_.acquire();
    } else {
      body.assign(std::stoul(body.substr(2)), body[1]);
    }
    ResponseHead head;
    EXPECT_TRUE(head.set_status("200 OK"));
    head.finish(exchange.request(), static_cast<std::int64_t>(body.size()), exchange.may_keep(),
                {});
    const std::string_view parts[] = {body};
    switch (exchange.try_respond_at_once(head, parts)) {
      case Exchange::AtOnce::finished:
        return;
      case Exchange::AtOnce::no:
        if (exchange.send(head, parts, Exchange::More::last) == Sent::gone) break;
        [[fallthrough]];
      case Exchange::AtOnce::sent:
        return exchange.finish(200, Exchange::After::keep);
    }
    exchange.finish(200, Exchange::After::close);
  }

  std::counting_semaphore<> waiting_{0}, go_on_{0};
  std::atomic<bool> is_over_{false};
};

// However full the socket is when the slow one begins: with each count and size of the answers
// before it a little more, until it takes no more. Nothing is read before.
TEST_F(HeldBackTest, WhatTheSocketDoesNotTakeIsSentWhileTheNextRequestRuns) {
  start_workers(1);
  int begun = 0;
  for (std::size_t bytes = 1000; bytes < 8000; bytes += 225) {
    for (int count = 1;; ++count) {
      make_quick();
      const Fd client = connect();
      std::string requests;
      for (int number = 0; number < count; ++number) requests += get("/x" + std::to_string(bytes));
      send(client, requests + get("/wait") + get("/y1"));
      // The standby answers it, or the worker once it can do no more for the other.
      const Fd probe = connect();
      send(probe, "GET /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      EXPECT_NE(read_all(probe).find("200 OK"), std::string::npos);
      const bool has_begun = waiting_.try_acquire();
      for (int number = 0; number < count; ++number)
        ASSERT_EQ(body_of(client), std::string(bytes, 'x')) << number << " of " << count;
      if (!has_begun) waiting_.acquire();
      go_on_.release();
      ASSERT_EQ(body_of(client), "/wait");
      ASSERT_EQ(body_of(client), "y");
      if (!has_begun) break;
      ++begun;
    }
  }
  EXPECT_GT(begun, 0);
}

// Requests of some clients come between those of others, slow ones between quick ones, and clients
// leave in the middle.
TEST_F(HeldBackTest, ManyClientsGetWhatIsTheirs) {
  start_workers(3);
  std::thread doorman([this] {
    for (;;) {
      waiting_.acquire();
      if (is_over_.load()) return;
      go_on_.release();
    }
  });
  constexpr int kClients = 6, kTurns = 150;
  std::vector<std::thread> clients;
  for (int number = 0; number < kClients; ++number) {
    clients.emplace_back([this, number] {
      for (int turn = 0; turn < kTurns; ++turn) {
        const Fd client = connect();
        const std::string letter(1, static_cast<char>('a' + number));
        const int before = turn % 7, after = (turn * number) % 5;
        std::string requests;
        for (int i = 0; i < before; ++i) requests += get("/" + letter + std::to_string(i * 900));
        if (turn % 30 == number) requests += get("/wait");
        for (int i = 0; i < after; ++i) requests += get("/" + letter + std::to_string(i));
        send(client, requests);
        if (turn % 4 == 3) continue;  // it leaves
        for (int i = 0; i < before; ++i)
          EXPECT_EQ(body_of(client), std::string(static_cast<std::size_t>(i * 900), letter[0]));
        if (turn % 30 == number) {
          EXPECT_EQ(body_of(client), "/wait");
        }
        for (int i = 0; i < after; ++i)
          EXPECT_EQ(body_of(client), std::string(static_cast<std::size_t>(i), letter[0]));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  end();  // whoever is still waiting is let go meanwhile
  is_over_ = true;
  waiting_.release();
  doorman.join();
}

}  // namespace
}  // namespace corral::http
