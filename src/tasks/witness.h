// Proof of death of nodes that nobody here can see. The reasons and the spans are those of
// python/corral/tasks/witness.py, the twin of this file: a node is rescued within its lease, and
// nobody is taken for dead because an outage was longer than that.
//
// For the one thread of a store. No I/O: the store asks for the rows.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace corral::tasks {

class Witness {
 public:
  // Parts of the lease. A living node writes its row every kRenewParts, and counts as alive by it
  // for kValidParts; who finds that over looks again, once in each part.
  static constexpr int kParts = 15;
  static constexpr int kRenewParts = 3;
  static constexpr int kValidParts = 9;
  static constexpr int kLooks = 4;
  static_assert(kValidParts + 1 + kLooks < kParts, "a node is rescued within its lease");
  static_assert(kLooks > kRenewParts, "who is back from an outage has renewed before he is dead");
  static_assert(kValidParts > 2 * kRenewParts, "two renewals may be missed");

  // `looks` is kLooks but in tests.
  Witness(Milliseconds lease_ms, int looks) : part_ms_(lease_ms * 9 / 10 / kParts), looks_(looks) {}

  // The database was out of reach: what was seen before proves nothing.
  void forget() { sights_.clear(); }

  // Looks at the nodes whose time is over, with the end of it; returns the dead ones. Only looks a
  // part of the lease apart count: who was paused himself has not looked meanwhile.
  std::vector<std::string> sees_dead(const std::map<std::string, std::int64_t>& over,
                                     Milliseconds now_ms) {
    const auto seen = std::exchange(sights_, {});
    std::vector<std::string> dead;
    for (const auto& [node, expires_at] : over) {
      Sight sight{expires_at, 0, now_ms};
      if (const auto last = seen.find(node);
          last != seen.end() && last->second.expires_at == expires_at) {
        sight = last->second;
        if (now_ms - sight.seen_ms >= part_ms_) sight = {expires_at, sight.looks + 1, now_ms};
      }
      if (sight.looks >= looks_) dead.push_back(node);
      sights_.emplace(node, sight);
    }
    return dead;
  }

 private:
  struct Sight {
    std::int64_t expires_at;
    int looks;
    Milliseconds seen_ms;
  };

  const Milliseconds part_ms_;
  const int looks_;
  std::map<std::string, Sight> sights_;
};

}  // namespace corral::tasks
