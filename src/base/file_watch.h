// Tells when files are written to, by any program of this machine (inotify(7)). A descriptor for
// poll(), which is readable then. One thread.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace corral {

class FileWatch {
 public:
  // Watches the files of `paths` that exist. An Error when the system has no more watches, or
  // cannot watch these files.
  static Result<FileWatch> open(const std::vector<std::string>& paths);

  int fd() const { return fd_.get(); }
  // Takes the news without waiting: true when there was any since the last call. A write that comes
  // after it makes the descriptor readable again.
  bool take();

 private:
  explicit FileWatch(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace corral
