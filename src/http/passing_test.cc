// Servers that share a listening socket and pass connections to each other, while one drains and
// comes back again and again, and what lies in the inbox of a dead one is taken back. Each stands
// for a process: nothing but the scoreboard and the kernel is between them.
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>

#include "http/server_for_test.h"

namespace corral::http {
namespace {

constexpr std::size_t kSteady = 0, kDead = 1, kDraining = 2;
constexpr int kKept = 8, kClients = 6, kRounds = 8;

constexpr HttpLimits patient() {
  HttpLimits limits;
  limits.keep_alive_max_ms = 600'000;
  return limits;
}

// What has been answered, by all processes together.
class Ledger {
 public:
  void note(const std::string& target) {
    std::lock_guard lock(mutex_);
    ++answers_[target];
  }
  int of(const std::string& target) {
    std::lock_guard lock(mutex_);
    return answers_[target];
  }
  std::size_t targets() {
    std::lock_guard lock(mutex_);
    return answers_.size();
  }
  int total() {
    std::lock_guard lock(mutex_);
    int total = 0;
    for (const auto& [target, count] : answers_) total += count;
    return total;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, int> answers_;  // guarded by mutex_
};

// A server in a slot, with workers that answer each request with its target.
class Process {
 public:
  Process(control::Scoreboard& board, std::size_t slot, int listen_fd, Ledger& ledger)
      : server_(patient(), {}, {}, std::make_unique<Siblings>(board, slot, 1'000), queue_, log_) {
    EXPECT_TRUE(server_.start({fcntl(listen_fd, F_DUPFD_CLOEXEC, 0)}));
    for (int worker = 0; worker < 2; ++worker) workers_.emplace_back([&] { work(ledger); });
    server_.serve();
  }
  // Drains and stops.
  ~Process() {
    std::latch drained(1);
    server_.drain([&] { drained.count_down(); });
    drained.wait();
    queue_.close();
    server_.polling().wake();
    for (std::thread& worker : workers_) worker.join();
    server_.stop();
  }

 private:
  void work(Ledger& ledger) {
    while (auto taken = server_.polling().take(leaves_)) {
      const std::string target(taken->item.request().target);
      ledger.note(target);
      taken->item.fail(500, target + "\n");
    }
  }

  Fd log_fd_{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  Log log_{{.fd = log_fd_.get()}};
  Server::Queue queue_{1024};
  const std::atomic<bool> leaves_{false};  // of no worker
  Server server_;
  std::vector<std::thread> workers_;
};

class PassingTest : public testing::Test {
 protected:
  PassingTest() : board_(std::move(*control::Scoreboard::create(3))) {
    for (std::size_t slot = 0; slot < board_.slots(); ++slot) EXPECT_TRUE(board_.add_inbox(slot));
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    auto* address = reinterpret_cast<sockaddr*>(&address_);
    // Nothing is accepted before its request is there: who drains need not guess whether one comes.
    const int seconds = 60;
    setsockopt(listening_.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
    EXPECT_EQ(::bind(listening_.get(), address, size), 0);
    EXPECT_EQ(::getsockname(listening_.get(), address, &size), 0);
    EXPECT_EQ(::listen(listening_.get(), 1024), 0);
  }

  std::unique_ptr<Process> begin(std::size_t slot) {
    return std::make_unique<Process>(board_, slot, listening_.get(), ledger_);
  }

  Fd ask(const std::string& target, std::string_view headers) {
    Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{60, 0};
    setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    send(client, "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + std::string(headers) + "\r\n");
    return client;
  }

  // A request a connection. Each is answered, once.
  void visit(int client) {
    for (int turn = 0; !are_done_.load(); ++turn) {
      const std::string target = "/" + std::to_string(client) + "/" + std::to_string(turn);
      const std::string answer = read_all(ask(target, "Connection: close\r\n"));
      ASSERT_TRUE(answer.starts_with("HTTP/1.1 500") && answer.ends_with(target + "\n"))
          << target << ": " << answer;
    }
  }

  // In the slot of the dead one is a process that runs, or did a moment ago, and does not look.
  void pretend_to_serve() {
    control::Slot& slot = board_.slot(kDead);
    slot.beat_ms.store(monotonic_ms());
    slot.state.store(control::SlotState::serving);
    while (slot.inbound.load() == 0 && !HasFailure()) {
      slot.beat_ms.store(monotonic_ms());
      std::this_thread::yield();
    }
  }

  control::Scoreboard board_;
  Ledger ledger_;
  std::atomic<bool> are_done_{false};

 private:
  Fd listening_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address_{};
};

TEST_F(PassingTest, WhoeverDrainsOrDiesEveryConnectionIsAnsweredOnce) {
  const auto steady = begin(kSteady);
  // With these it has the most, so that it passes what it accepts to the others.
  std::vector<Fd> kept;
  for (int number = 0; number < kKept; ++number) {
    kept.push_back(ask("/kept", ""));
    ASSERT_NE(read_some(kept.back(), 4096), "");
  }
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client)
    clients.emplace_back([this, client] { visit(client); });
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    auto draining = begin(kDraining);
    pretend_to_serve();
    if (round % 2 == 0) {
      board_.clear(kDead);  // the supervisor has buried it
    } else {
      board_.slot(kDead).beat_ms.store(monotonic_ms() - control::kBeatMaxMs - 1);
    }
    const auto adopted = board_.slot(kDraining).adopted.load();
    while (board_.slot(kDraining).adopted.load() == adopted && !HasFailure())
      std::this_thread::yield();
    draining.reset();
  }
  board_.clear(kDead);
  are_done_.store(true);
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(ledger_.of("/kept"), kKept);
  EXPECT_EQ(ledger_.total() - kKept, static_cast<int>(ledger_.targets()) - 1) << "each once";
  EXPECT_GE(board_.slot(kSteady).passed.load(), static_cast<std::uint64_t>(2 * kRounds));
  EXPECT_EQ(board_.slot(kDead).inbound.load(), 0);
}

}  // namespace
}  // namespace corral::http
