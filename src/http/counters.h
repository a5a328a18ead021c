// What the web side of a process has counted since its start. Any thread adds; reading is a
// snapshot of each, not of all at one moment.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/limits.h"

namespace corral::http {

using Counter = std::atomic<std::uint64_t>;

inline void add_one(Counter& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

struct Counters {
  Counter accepted{0};  // connections
  Counter requests{0};  // with an acceptable head
  Counter refused{0};   // answered with a 4xx or 5xx of the server's own, the connection ended
  Counter gone{0};      // requests not run, as the client had left when their turn came
  Counter shed{0};      // requests answered with 503 for want of a worker
  std::array<Counter, kLimitCount> limits{};  // by Limit: how often it was met

  Counter& of(Limit limit) { return limits[static_cast<std::size_t>(limit)]; }

  // Calls `visit(name, value)` for each, the limits under their names of kLimitRows. This is what
  // exporters read.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    const auto value = [](const Counter& counter) {
      return counter.load(std::memory_order_relaxed);
    };
    visit(std::string_view("accepted"), value(accepted));
    visit(std::string_view("requests"), value(requests));
    visit(std::string_view("refused"), value(refused));
    visit(std::string_view("gone"), value(gone));
    visit(std::string_view("shed"), value(shed));
    for (const LimitRow& row : kLimitRows)
      visit(row.counter, value(limits[static_cast<std::size_t>(row.limit)]));
  }
};

}  // namespace corral::http
