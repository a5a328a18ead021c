// Connections that hold back small responses because the next request of the same client is here
// already: the answers of a pipelined burst then leave together, for one call to the system.
//
// It pays only while requests are short. A response that is held back when the next one takes long
// is sent by the standby, who looks at each of its ticks (polling.h).
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

namespace corral::http {

class Connection;

class HeldBack {
 public:
  // So that the standby is soon done with all of them.
  static constexpr std::size_t kConnectionsMax = 64;

  // --- who holds the connection
  // From here on what it shares may be sent at any time. May be repeated; false when there are too
  // many, and the connection is not among them.
  bool try_add(Connection& connection);
  // Nobody is at it any more. Nothing when it has been sent for.
  void remove(Connection& connection);

  // --- the standby
  // Sends what all of them hold, as far as their sockets take it, and forgets them.
  void send_all();

 private:
  std::mutex mutex_;                      // taken before that of a connection
  std::vector<Connection*> connections_;  // guarded by mutex_
};

}  // namespace corral::http
