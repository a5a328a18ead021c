#include "exec/bell.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace corral::exec {
namespace {

long membarrier(int command) { return ::syscall(SYS_membarrier, command, 0, 0); }

}  // namespace

Bell::Bell() : can_sleep_(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0) {}

void Bell::ring() {
  rung_.store(1, std::memory_order_release);
  ::syscall(SYS_futex, &rung_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void Bell::fall_asleep() {
  asleep_.store(1, std::memory_order_seq_cst);
  membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

void Bell::wait(Milliseconds wait_ms) {
  const timespec span{static_cast<time_t>(wait_ms / 1000),
                      static_cast<long>(wait_ms % 1000 * 1'000'000)};
  // An early return (a signal, a ring that was meant for the turn before) is one look too many.
  ::syscall(SYS_futex, &rung_, FUTEX_WAIT_PRIVATE, 0, wait_ms < 0 ? nullptr : &span, nullptr, 0);
  asleep_.store(0, std::memory_order_relaxed);
  rung_.exchange(0, std::memory_order_acq_rel);  // sees what was written before a ring it drops
}

}  // namespace corral::exec
