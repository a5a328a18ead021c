#include "http/siblings.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace corral::http {
namespace {

// A difference of less than one in so many is not worth passing a connection.
constexpr std::uint32_t kTolerance = 8;

}  // namespace

std::size_t choose_for_new(std::span<const Share> shares, std::size_t own) {
  const auto rank = [&](std::size_t index) {
    return std::tuple(shares[index].is_occupied, shares[index].connections);
  };
  std::size_t best = own;
  for (std::size_t index = 0; index < shares.size(); ++index) {
    if (index != own && shares[index].takes && rank(index) < rank(best)) best = index;
  }
  const Share& here = shares[own];
  if (here.is_occupied != shares[best].is_occupied) return best;
  const bool is_worth_it =
      here.connections - shares[best].connections > here.connections / kTolerance;
  return is_worth_it ? best : own;
}

std::uint32_t surplus(std::span<const Share> shares, std::size_t own) {
  std::uint32_t sum = shares[own].connections;
  std::uint32_t count = 1;
  for (std::size_t index = 0; index < shares.size(); ++index) {
    if (index == own || !shares[index].takes || shares[index].is_occupied) continue;
    sum += shares[index].connections;
    ++count;
  }
  const std::uint32_t fair = (sum + count - 1) / count;
  const std::uint32_t here = shares[own].connections;
  return here > fair + fair / kTolerance ? here - fair : 0;
}

Siblings::Siblings(control::Scoreboard& board, std::size_t own, std::size_t connections_max)
    : board_(board), own_(0), connections_max_(connections_max) {
  if (board_.slot(own).inbox_read_fd < 0) {
    slots_ = {own};
    return;
  }
  for (std::size_t index = 0; index < board_.slots(); ++index) {
    if (board_.slot(index).inbox_read_fd < 0) continue;
    if (index == own) own_ = slots_.size();
    slots_.push_back(index);
  }
}

bool Siblings::takes(std::size_t index) const {
  const control::Slot& slot = board_.slot(slots_[index]);
  return is_serving(index) &&
         monotonic_ms() - slot.beat_ms.load(std::memory_order_relaxed) <= control::kBeatMaxMs;
}

std::vector<Share> Siblings::shares() const {
  std::vector<Share> shares;
  shares.reserve(slots_.size());
  for (std::size_t index = 0; index < slots_.size(); ++index) {
    const control::Slot& slot = board_.slot(slots_[index]);
    Share& share = shares.emplace_back();
    const std::int32_t inbound = std::max(0, slot.inbound.load(std::memory_order_relaxed));
    share.connections =
        slot.connections.load(std::memory_order_relaxed) + static_cast<std::uint32_t>(inbound);
    share.is_occupied = slot.is_occupied.load(std::memory_order_relaxed) != 0;
    share.takes = share.connections < connections_max_ && takes(index);
  }
  return shares;
}

std::optional<std::size_t> Siblings::choose_for_new() const {
  const std::size_t chosen = http::choose_for_new(shares(), own_);
  return chosen == own_ ? std::nullopt : std::optional(chosen);
}

std::optional<std::size_t> Siblings::choose_unoccupied() const {
  const std::vector<Share> all = shares();
  std::optional<std::size_t> best;
  for (std::size_t index = 0; index < all.size(); ++index) {
    if (index == own_ || !all[index].takes || all[index].is_occupied) continue;
    if (!best || all[index].connections < all[*best].connections) best = index;
  }
  return best;
}

std::optional<std::size_t> Siblings::claim_free() const {
  for (std::size_t step = 1; step < slots_.size(); ++step) {
    const std::size_t index = (own_ + step) % slots_.size();
    std::atomic<std::uint32_t>& is_free = board_.slot(slots_[index]).is_free;
    if (is_free.load(std::memory_order_relaxed) == 0 || !takes(index)) continue;
    if (is_free.exchange(0, std::memory_order_relaxed) != 0) return index;
  }
  return std::nullopt;
}

std::uint32_t Siblings::surplus() const { return http::surplus(shares(), own_); }

bool Siblings::is_one_silent() const {
  for (std::size_t index = 0; index < slots_.size(); ++index) {
    if (index != own_ && is_serving(index) && !takes(index)) return true;
  }
  return false;
}

bool Siblings::pass(std::size_t sibling, int fd, const PassedNote& note) {
  control::Slot& slot = board_.slot(slots_[sibling]);
  slot.inbound.fetch_add(1, std::memory_order_relaxed);
  if (control::pass_descriptor(slot.inbox_write_fd, fd, std::as_bytes(std::span(&note, 1)))) {
    own().passed.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  slot.inbound.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

control::Receipt Siblings::receive_from(std::size_t index, Received& received) {
  control::Slot& slot = board_.slot(slots_[index]);
  const control::Receipt receipt = control::receive_descriptor(
      slot.inbox_read_fd, received.fd, std::as_writable_bytes(std::span(&received.note, 1)));
  if (receipt != control::Receipt::empty) slot.inbound.fetch_sub(1, std::memory_order_relaxed);
  return receipt;
}

control::Receipt Siblings::take_back(Received& received) {
  for (std::size_t index = 0; index < slots_.size(); ++index) {
    if (index == own_ || takes(index)) continue;
    const control::Receipt receipt = receive_from(index, received);
    if (receipt != control::Receipt::empty) return receipt;
  }
  return control::Receipt::empty;
}

}  // namespace corral::http
