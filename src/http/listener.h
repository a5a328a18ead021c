// What the loop tells of listening sockets and of the inbox. Of server.h, for its own sources.
#pragma once

#include "http/server.h"

namespace corral::http {

constexpr int kAcceptsPerTurn = 64;
// A standby that stands back looks so often whether connections wait.
constexpr Milliseconds kLookMs = 5;

class Server::Listener final : public net::Source {
 public:
  Listener(Server& server, Endpoint& endpoint) : server_(server), endpoint_(endpoint) {}
  void on_events(std::uint32_t) override { server_.accept_some(*this); }
  Endpoint& endpoint() { return endpoint_; }

 private:
  Server& server_;
  Endpoint& endpoint_;
};

// Connections from siblings.
class Server::Inbox final : public net::Source {
 public:
  explicit Inbox(Server& server) : server_(server) {}
  void on_events(std::uint32_t) override { server_.read_inbox(); }

 private:
  Server& server_;
};

}  // namespace corral::http
