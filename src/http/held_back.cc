#include "http/held_back.h"

#include <algorithm>

#include "http/connection.h"

namespace corral::http {

bool HeldBack::try_add(Connection& connection) {
  std::lock_guard lock(mutex_);
  if (std::ranges::find(connections_, &connection) != connections_.end()) return true;
  if (connections_.size() >= kConnectionsMax) return false;
  connections_.push_back(&connection);
  return true;
}

void HeldBack::remove(Connection& connection) {
  std::lock_guard lock(mutex_);
  std::erase(connections_, &connection);
}

void HeldBack::send_all() {
  std::lock_guard lock(mutex_);
  for (Connection* connection : connections_) connection->flush_shared_outbox();
  connections_.clear();
}

}  // namespace corral::http
