#include "control/scoreboard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/check.h"

namespace corral::control {
namespace {

constexpr std::uint64_t kMagic = 0x64726f626c726f43;  // "Corlbord"

Error failed(const std::string& what) {
  return Error{what + ": " + std::strerror(errno) +
               "; it is needed for the scoreboard of the node"};
}

}  // namespace

// Slots follow it.
struct alignas(64) Scoreboard::Header {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t slot_bytes;
  std::uint64_t slots;

  Slot* first() { return reinterpret_cast<Slot*>(this + 1); }
};

void Scoreboard::Unmap::operator()(Header* header) const { munmap(header, bytes); }

Scoreboard::Scoreboard(Fd memory, std::unique_ptr<Header, Unmap> header)
    : header_(std::move(header)) {
  fds_.push_back(std::move(memory));
}

Result<std::unique_ptr<Scoreboard::Header, Scoreboard::Unmap>> Scoreboard::map(int fd,
                                                                               std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return failed("cannot map shared memory");
  return std::unique_ptr<Header, Unmap>(static_cast<Header*>(memory), Unmap{bytes});
}

Result<Scoreboard> Scoreboard::create(std::size_t slots) {
  const std::size_t bytes = sizeof(Header) + slots * sizeof(Slot);
  Fd memory(memfd_create("corral-scoreboard", MFD_CLOEXEC));
  if (!memory || ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0)
    return failed("no shared memory");
  auto header = map(memory.get(), bytes);
  if (!header) return header.error();
  (*header)->magic = kMagic;
  (*header)->version = kScoreboardVersion;
  (*header)->slot_bytes = sizeof(Slot);
  (*header)->slots = slots;
  Slot* first = (*header)->first();
  for (std::size_t index = 0; index < slots; ++index) {
    // The memory is zero, which is what every other field begins with.
    first[index].inbox_read_fd = first[index].inbox_write_fd = -1;
  }
  return Scoreboard(std::move(memory), std::move(*header));
}

Result<void> Scoreboard::add_inbox(std::size_t index) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    return failed("no inbox for a process");
  slot(index).inbox_read_fd = ends[0];
  slot(index).inbox_write_fd = ends[1];
  for (int end : ends) fds_.emplace_back(end);
  return {};
}

std::vector<int> Scoreboard::fds() const {
  std::vector<int> numbers;
  for (const Fd& fd : fds_) numbers.push_back(fd.get());
  return numbers;
}

void Scoreboard::begin(std::size_t index) {
  slot(index).incarnation.fetch_add(1, std::memory_order_relaxed);
}

// What is in its inbox stays there, for the next process or for a sibling.
void Scoreboard::clear(std::size_t index) {
  Slot& cleared = slot(index);
  cleared.state.store(SlotState::free);
  cleared.pid.store(0, std::memory_order_relaxed);
  cleared.beat_ms.store(0, std::memory_order_relaxed);
  for (auto* field : {&cleared.connections, &cleared.is_occupied, &cleared.is_free, &cleared.queued,
                      &cleared.threads_idle}) {
    field->store(0, std::memory_order_relaxed);
  }
  for (auto* counter : {&cleared.accepted, &cleared.requests, &cleared.passed, &cleared.adopted})
    counter->store(0, std::memory_order_relaxed);
}

Result<Scoreboard> Scoreboard::attach(int fd) {
  Fd memory(fd);
  struct stat status{};
  if (fstat(fd, &status) != 0) return failed("cannot look at shared memory");
  const auto bytes = static_cast<std::size_t>(status.st_size);
  if (bytes < sizeof(Header)) return Error{"the scoreboard has no header"};
  auto header = map(fd, bytes);
  if (!header) return header.error();
  const Header& found = **header;
  const bool is_ours = found.magic == kMagic && found.version == kScoreboardVersion &&
                       found.slot_bytes == sizeof(Slot) &&
                       bytes == sizeof(Header) + found.slots * sizeof(Slot);
  if (!is_ours) return Error{"the scoreboard was made by another version of Corral"};
  Scoreboard board(std::move(memory), std::move(*header));
  for (std::size_t index = 0; index < board.slots(); ++index) {
    for (int end : {board.slot(index).inbox_read_fd, board.slot(index).inbox_write_fd})
      if (end >= 0) board.fds_.emplace_back(end);
  }
  // Programs that user code starts must not keep them.
  for (const Fd& own : board.fds_) fcntl(own.get(), F_SETFD, FD_CLOEXEC);
  return board;
}

std::size_t Scoreboard::slots() const { return header_->slots; }

Slot& Scoreboard::slot(std::size_t index) const {
  CORRAL_CHECK(index < header_->slots, "there is no such slot in the scoreboard");
  return header_->first()[index];
}

}  // namespace corral::control
