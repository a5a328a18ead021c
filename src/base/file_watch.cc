#include "base/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace corral {

Result<FileWatch> FileWatch::open(const std::vector<std::string>& paths) {
  Fd fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return Error{std::string("no inotify: ") + std::strerror(errno)};
  for (const std::string& path : paths) {
    if (inotify_add_watch(fd.get(), path.c_str(), IN_MODIFY) >= 0 || errno == ENOENT) continue;
    return Error{"cannot watch " + path + ": " + std::strerror(errno)};
  }
  return FileWatch(std::move(fd));
}

bool FileWatch::take() {
  // What the events say does not matter; one that does not fit into the queue says so by another.
  std::array<char, 4096> events;
  bool is_news = false;
  for (;;) {
    const ssize_t count = ::read(fd_.get(), events.data(), events.size());
    if (count > 0) {
      is_news = true;
      if (static_cast<std::size_t>(count) < events.size() / 2) return true;
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    return is_news;
  }
}

}  // namespace corral
