#include "tasks/machine.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "base/fd.h"

namespace corral::tasks {
namespace {

constexpr int kStateField = 0;  // counted behind the program's name
constexpr int kStartedField = 19;

std::optional<std::string> read_small(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::array<char, 4096> buffer;
  const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
  if (size < 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<std::size_t>(size));
}

// Field `number` of a line of fields with one space between them.
std::string_view field(std::string_view line, int number) {
  std::size_t at = 0;
  for (; number > 0; --number) {
    at = line.find(' ', at);
    if (at == std::string_view::npos) return {};
    ++at;
  }
  return line.substr(at, line.find(' ', at) - at);
}

}  // namespace

std::string machine() {
  auto boot = read_small("/proc/sys/kernel/random/boot_id");
  std::array<char, 256> space;
  const ssize_t size = ::readlink("/proc/self/ns/pid", space.data(), space.size());
  if (!boot || size <= 0) return {};
  while (!boot->empty() && boot->back() == '\n') boot->pop_back();
  return *boot + " " + std::string(space.data(), static_cast<std::size_t>(size));
}

std::optional<std::int64_t> process_started(std::int64_t pid) {
  const auto stat = read_small("/proc/" + std::to_string(pid) + "/stat");
  if (!stat) return std::nullopt;
  // The program's name may hold spaces and parentheses: count from the last one.
  const std::size_t name_end = stat->rfind(") ");
  if (name_end == std::string::npos) return std::nullopt;
  const std::string_view fields = std::string_view(*stat).substr(name_end + 2);
  const std::string_view state = field(fields, kStateField);
  const std::string_view digits = field(fields, kStartedField);
  std::int64_t started = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), started);
  if (state == "Z" || state == "X" || parsed.ec != std::errc{}) return std::nullopt;
  return started;
}

bool is_provably_gone(const ProcessMark& process) {
  if (process.machine.empty() || !process.started || process.machine != machine()) return false;
  if (::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH) return true;
  // /proc may hide other users' processes (mount option hidepid): it is there, says the kill.
  const std::string path = "/proc/" + std::to_string(process.pid) + "/stat";
  if (::access(path.c_str(), R_OK) != 0) return false;
  return process_started(process.pid) != process.started;
}

}  // namespace corral::tasks
