#include "base/file_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace corral {
namespace {

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest() : path_(testing::TempDir() + "watched-" + std::to_string(getpid())) { write(); }
  ~FileWatchTest() override { std::filesystem::remove(path_); }

  void write() {
    Fd file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    EXPECT_EQ(::write(file.get(), "x", 1), 1);
  }
  static bool is_readable(const FileWatch& watch) {
    pollfd look{watch.fd(), POLLIN, 0};
    return ::poll(&look, 1, 0) == 1;
  }

  const std::string path_;
};

TEST_F(FileWatchTest, AWriteIsNewsOnce) {
  auto watch = FileWatch::open({path_});
  ASSERT_TRUE(watch);
  EXPECT_FALSE(is_readable(*watch));
  EXPECT_FALSE(watch->take());
  write();
  EXPECT_TRUE(is_readable(*watch));
  EXPECT_TRUE(watch->take());
  EXPECT_FALSE(is_readable(*watch));
  EXPECT_FALSE(watch->take());
  write();
  EXPECT_TRUE(watch->take());
}

TEST_F(FileWatchTest, AnyNumberOfWritesIsTakenAtOnce) {
  const std::string other = path_ + "-other";
  {
    Fd made(::open(other.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  }
  auto watch = FileWatch::open({path_, other});
  ASSERT_TRUE(watch);
  Fd file(::open(other.c_str(), O_WRONLY | O_CLOEXEC));
  for (int n = 0; n < 2'000; ++n) {  // equal events in a row are one: take turns
    ASSERT_EQ(::write(file.get(), "y", 1), 1);
    write();
  }
  EXPECT_TRUE(watch->take());
  EXPECT_FALSE(is_readable(*watch));
  std::filesystem::remove(other);
}

TEST_F(FileWatchTest, AFileThatIsNotThereIsLeftOut) {
  auto watch = FileWatch::open({path_ + "-wal", path_});
  ASSERT_TRUE(watch);
  write();
  EXPECT_TRUE(watch->take());
}

TEST_F(FileWatchTest, WhatCannotBeWatchedIsSaid) {
  auto watch = FileWatch::open({path_ + "/below-a-file"});
  ASSERT_FALSE(watch);
  EXPECT_NE(watch.error().message.find("below-a-file: Not a directory"), std::string::npos);
}

}  // namespace
}  // namespace corral
