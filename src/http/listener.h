// What the loop tells of a listening socket. Of server.h, for its own sources.
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

}  // namespace corral::http
