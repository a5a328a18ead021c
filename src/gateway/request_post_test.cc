// Who may answer a request: its thread, or the watcher in its place, and never both. The requests
// are those of real clients.
#include "gateway/request_post.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>

#include "base/thread.h"
#include "http/server_for_test.h"

namespace corral::gateway {
namespace {

using exec::Finding;
using interp::Attached;

Finding overdue(std::uint64_t turn) {
  return {.kind = Finding::Kind::overdue, .turn = turn, .ran_ms = 1, .thread = "web.1.0"};
}

// A thread of an interpreter with a post, and requests for it.
class RequestPostTest : public http::ServerForTest {
 protected:
  ~RequestPostTest() override { end(); }

  // `body` runs attached, on a thread of its own.
  void in_python(const std::function<void(Attached&, RequestPost&)>& body) {
    Thread owner("owner", [&] {
      std::unique_ptr<interp::PythonThread> own;
      auto interpreter = interp::Interpreter::create(interp::Placement::sub_interpreter, own);
      ASSERT_TRUE(interpreter);
      {
        interp::Ref interruption;
        Attached attached(*own);
        interruption = interp::Ref::borrow(PyExc_KeyboardInterrupt);
        RequestPost post(log(), interruption);
        body(attached, post);
      }
      (*interpreter)->end(std::move(own));
    });
    owner.join();
  }

  // A client has asked; this is the right to answer it.
  http::Exchange ask(Fd& client) {
    client = connect();
    http::send(client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    return std::move(server().polling().take(leaves_)->item);
  }

 private:
  const std::atomic<bool> leaves_{false};
};

std::string status_of(const Fd& client) { return http::read_all(client).substr(9, 3); }

TEST_F(RequestPostTest, ATurnHasItsNumberUntilItEnds) {
  in_python([](Attached& attached, RequestPost& post) {
    EXPECT_EQ(post.turn(), 0U);
    post.begin({});
    const std::uint64_t first = post.turn();
    EXPECT_NE(first, 0U);
    post.end(attached);
    EXPECT_EQ(post.turn(), 0U);
    post.begin({});
    EXPECT_GT(post.turn(), first);
    post.end(attached);
  });
}

TEST_F(RequestPostTest, OnlyTheApplicationsTimeCounts) {
  in_python([](Attached& attached, RequestPost& post) {
    post.begin({});
    EXPECT_TRUE(post.is_timed());
    EXPECT_TRUE(post.hold());
    EXPECT_TRUE(post.hold());
    EXPECT_TRUE(post.is_held());
    EXPECT_FALSE(post.is_timed());
    post.let_go();
    EXPECT_TRUE(post.is_timed());
    post.let_go();  // nothing
    EXPECT_FALSE(post.is_held());
    post.end(attached);
  });
}

TEST_F(RequestPostTest, WhoHoldsItAnswers) {
  Fd client;
  http::Exchange exchange = ask(client);
  in_python([&](Attached& attached, RequestPost& post) {
    post.begin(std::move(exchange));
    ASSERT_TRUE(post.hold());
    EXPECT_FALSE(post.expire(overdue(post.turn())));
    ASSERT_TRUE(post.exchange());
    post.exchange().fail(500, "");
    post.end(attached);
  });
  EXPECT_EQ(status_of(client), "500");
}

TEST_F(RequestPostTest, WhatIsTakenIsAnsweredWith504AndNothingElse) {
  Fd client;
  http::Exchange exchange = ask(client);
  in_python([&](Attached& attached, RequestPost& post) {
    post.begin(std::move(exchange));
    ASSERT_TRUE(post.hold());
    post.let_go();
    EXPECT_TRUE(post.expire(overdue(post.turn())));
    EXPECT_FALSE(post.hold());
    EXPECT_FALSE(post.is_held());
    post.let_go();  // must not open it again
    EXPECT_FALSE(post.hold());
    post.end(attached);
  });
  EXPECT_EQ(status_of(client), "504");
}

TEST_F(RequestPostTest, WhatIsMeantForOneTurnDoesNotMeetTheNext) {
  Fd client;
  http::Exchange exchange = ask(client);
  in_python([&](Attached& attached, RequestPost& post) {
    post.begin({});
    const std::uint64_t ended = post.turn();
    post.end(attached);
    EXPECT_TRUE(post.expire(overdue(ended))) << "between two turns";
    post.begin(std::move(exchange));
    EXPECT_TRUE(post.expire(overdue(ended)));
    ASSERT_TRUE(post.hold());
    post.exchange().fail(500, "");
    post.end(attached);
  });
  EXPECT_EQ(status_of(client), "500");
}

TEST_F(RequestPostTest, AnUnansweredRequestEndsWithTheNextTurnOrThePost) {
  Fd first, second;
  http::Exchange one = ask(first), other = ask(second);
  in_python([&](Attached& attached, RequestPost& post) {
    for (http::Exchange* exchange : {&one, &other}) {
      post.begin(std::move(*exchange));
      post.end(attached);
    }
  });
  EXPECT_EQ(status_of(first), "500");
  EXPECT_EQ(status_of(second), "500");
}

// Each request is answered by exactly one of the two, as who got it says.
TEST_F(RequestPostTest, ThreadAndWatcherNeverBothAnswer) {
  constexpr int kRequests = 300;
  int by_thread = 0;
  in_python([&](Attached& attached, RequestPost& post) {
    std::atomic<bool> is_over{false};
    Thread watcher("watch", [&] {
      while (!is_over)
        if (const std::uint64_t turn = post.turn()) post.expire(overdue(turn));
    });
    for (int number = 0; number < kRequests; ++number) {
      Fd client;
      {
        interp::Detached detached(attached);
        post.begin(ask(client));
      }
      bool is_ours = true;
      for (int step = 0; step < number % 7 && is_ours; ++step) {
        is_ours = post.hold();
        if (is_ours) post.let_go();
      }
      is_ours = is_ours && post.hold();
      if (is_ours) {
        post.exchange().fail(500, "");
        ++by_thread;
      }
      post.end(attached);
      EXPECT_EQ(status_of(client), is_ours ? "500" : "504") << number;
    }
    is_over = true;
    watcher.join();
  });
  EXPECT_GT(by_thread, 0);
}

}  // namespace
}  // namespace corral::gateway
