#include "base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/log_format.h"

namespace corral {
namespace {

struct Pipe {
  Fd read;
  Fd write;
};

Pipe make_pipe(int flags = 0) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC | flags), 0);
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

// Everything until the writers are gone.
std::string read_all(int fd) {
  std::string text;
  std::array<char, 65536> part;
  for (;;) {
    pollfd ready{fd, POLLIN, 0};
    poll(&ready, 1, 10'000);
    const ssize_t count = read(fd, part.data(), part.size());
    if (count <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(count));
  }
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t start = 0;
  for (std::size_t end; (end = text.find('\n', start)) != std::string::npos; start = end + 1) {
    lines.push_back(text.substr(start, end - start));
  }
  EXPECT_EQ(start, text.size()) << "the last line is not ended";
  return lines;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

Log::Options options_for(int fd, LogFormat format = LogFormat::json) {
  Log::Options options;
  options.format = format;
  options.program = "engine";
  options.fd = fd;
  return options;
}

constexpr std::int64_t kMoment = 1'795'255'200'123'456'789;  // 2026-11-21 10:00:00.123 UTC

TEST(LogFormat, Text) {
  std::string line;
  append_text(line, {kMoment, LogLevel::info, "engine", 0, "ready"},
              {{"workers", 4}, {"bind", "a b"}, {"empty", ""}}, {});
  EXPECT_EQ(
      line,
      "2026-11-21 10:00:00.123 engine     INFO    ready  workers=4 bind=\"a b\" empty=\"\"\n");
  line.clear();
  append_text(line, {kMoment, LogLevel::error, "supervisor", 102, "engine died"}, {},
              {false, -5 * 3600});
  EXPECT_EQ(line, "2026-11-21 05:00:00.123 supervisor ERROR   CORRAL-102 engine died\n");
}

TEST(LogFormat, Json) {
  std::string line;
  append_json(line, {kMoment, LogLevel::warning, "web.1", 201, "say \"no\""},
              {{"count", -3}, {"path", "C:\\x"}});
  EXPECT_EQ(line,
            "{\"time\":\"2026-11-21T10:00:00.123Z\",\"level\":\"warning\",\"program\":\"web.1\","
            "\"code\":\"CORRAL-201\","
            "\"message\":\"say \\\"no\\\"\",\"count\":-3,\"path\":\"C:\\\\x\"}\n");
  line.clear();
  append_json(line, {0, LogLevel::debug, "engine", 0, "m"}, {});
  EXPECT_EQ(line,
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"debug\",\"program\":\"engine\","
            "\"message\":\"m\"}\n");
}

TEST(LogFormat, NoByteBreaksALine) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string bytes{static_cast<char>(first), static_cast<char>(second)};
      std::string text, json;
      append_text(text, {kMoment, LogLevel::info, bytes, 0, bytes}, {{bytes, bytes}}, {});
      append_json(json, {kMoment, LogLevel::info, bytes, 0, bytes}, {{bytes, bytes}});
      for (const std::string& line : {text, json}) {
        for (std::size_t i = 0; i + 1 < line.size(); ++i) {
          const auto byte = static_cast<unsigned char>(line[i]);
          ASSERT_TRUE(byte >= 0x20 && byte != 0x7F) << first << " " << second;
          const auto next = static_cast<unsigned char>(line[i + 1]);
          ASSERT_FALSE(byte == 0xC2 && next < 0xA0) << "C1 control from " << first << " " << second;
        }
        ASSERT_EQ(line.back(), '\n');
      }
    }
  }
}

TEST(LogFormat, JsonStringsAreUtf8) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"grüße 🐎", "\"grüße 🐎\""},
      {"\xff", "\"\xEF\xBF\xBD\""},
      {"a\xC3", "\"a\xEF\xBF\xBD\""},
      {"\xC0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                  // overlong
      {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},  // surrogate
      {"\xF4\x90\x80\x80",
       "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},  // beyond U+10FFFF
      {std::string_view("\0\x1b[2J\x7f", 6), "\"\\u0000\\u001b[2J\\u007f\""},
      {"\xC2\x9B", "\"\\u009b\""},
  };
  for (const auto& [given, expected] : cases) {
    std::string out;
    append_json_string(out, given);
    EXPECT_EQ(out, expected);
  }
}

TEST(Log, ParsesLevels) {
  LogLevel level = LogLevel::critical;
  EXPECT_TRUE(parse_log_level("debug", level));
  EXPECT_EQ(level, LogLevel::debug);
  EXPECT_TRUE(parse_log_level("warning", level));
  EXPECT_EQ(level, LogLevel::warning);
  EXPECT_FALSE(parse_log_level("WARN", level));
  EXPECT_FALSE(parse_log_level("", level));
  EXPECT_EQ(level, LogLevel::warning);
}

TEST(Log, WritesInOrderFromItsLevelOn) {
  Pipe pipe = make_pipe();
  {
    Log log(options_for(pipe.write.get()));
    log.debug("unseen");
    log.info("first");
    log.warning(201, "second", {{"n", 7}});
    log.error(202, "third");
  }
  pipe.write.reset();
  const auto lines = lines_of(read_all(pipe.read.get()));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_TRUE(contains(lines[0], "\"message\":\"first\"}"));
  EXPECT_TRUE(contains(lines[1], "\"code\":\"CORRAL-201\",\"message\":\"second\",\"n\":7}"));
  EXPECT_TRUE(contains(lines[2], "\"level\":\"error\""));
}

TEST(Log, FlushMeansWritten) {
  Pipe records = make_pipe(O_NONBLOCK);
  Pipe access = make_pipe(O_NONBLOCK);
  Log::Options options = options_for(records.write.get());
  options.access_fd = access.write.get();
  Log log(options);
  std::array<char, 4096> part;
  for (int i = 0; i < 100; ++i) {
    log.info("x");
    log.access("GET /\n");
    log.flush();
    ASSERT_GT(read(records.read.get(), part.data(), part.size()), 0);
    ASSERT_EQ(read(access.read.get(), part.data(), part.size()), 6);
  }
}

TEST(Log, ManyThreadsLoseAndMixNothing) {
  Pipe pipe = make_pipe();
  std::string text;
  std::thread reader([&] { text = read_all(pipe.read.get()); });
  {
    Log log(options_for(pipe.write.get()));
    std::vector<std::thread> writers;
    for (int w = 0; w < 4; ++w) {
      writers.emplace_back([&log, w] {
        for (int i = 0; i < 5'000; ++i) log.info("line", {{"writer", w}, {"i", i}});
      });
    }
    for (auto& writer : writers) writer.join();
    EXPECT_EQ(log.dropped(), 0u);
  }
  pipe.write.reset();
  reader.join();
  std::array<int, 4> next{};
  for (const std::string& line : lines_of(text)) {
    int writer = -1, i = -1;
    const char* fields = std::strstr(line.c_str(), "\"writer\":");
    ASSERT_NE(fields, nullptr) << line;
    ASSERT_EQ(std::sscanf(fields, "\"writer\":%d,\"i\":%d}", &writer, &i), 2) << line;
    ASSERT_EQ(i, next[writer]++);
  }
  EXPECT_EQ(next, (std::array<int, 4>{5'000, 5'000, 5'000, 5'000}));
}

TEST(Log, LinesOfTwoProgramsOnOnePipeStayWhole) {
  Pipe pipe = make_pipe();
  std::string text;
  std::thread reader([&] { text = read_all(pipe.read.get()); });
  {
    Log one(options_for(pipe.write.get()));
    Log two(options_for(pipe.write.get()));
    std::thread other([&] {
      for (int i = 0; i < 3'000; ++i) two.info(std::string(i % 300, 'b'));
    });
    for (int i = 0; i < 3'000; ++i) one.info(std::string(i % 300, 'a'));
    other.join();
  }
  pipe.write.reset();
  reader.join();
  const auto lines = lines_of(text);
  EXPECT_EQ(lines.size(), 6'000u);
  for (const std::string& line : lines) {
    ASSERT_EQ(line.rfind("{\"time\":\"", 0), 0u) << line;
    ASSERT_EQ(line.substr(line.size() - 2), "\"}") << line;
  }
}

TEST(Log, ALineLongerThanAPipeArrivesWhole) {
  Pipe pipe = make_pipe();
  std::string text;
  std::thread reader([&] { text = read_all(pipe.read.get()); });
  const std::string message(300'000, 'm');
  {
    Log log(options_for(pipe.write.get()));
    log.info(message);
    log.info("after");
  }
  pipe.write.reset();
  reader.join();
  const auto lines = lines_of(text);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(contains(lines[0], message));
}

TEST(Log, GoneReaderNeitherKillsNorBlocks) {
  Pipe pipe = make_pipe();
  pipe.read.reset();
  Log log(options_for(pipe.write.get()));
  for (int i = 0; i < 1'000; ++i) log.info("nobody reads this");
  log.flush();
  EXPECT_EQ(log.dropped(), 1'000u);
}

TEST(Log, ClosedDescriptorIsSurvived) {
  Log log(options_for(1'000'000));
  log.info("nowhere");
  log.flush();
  EXPECT_EQ(log.dropped(), 1u);
}

// A reader that stops costs access lines, but neither callers nor records wait for it; later lines
// pass again.
TEST(Log, StalledReaderCostsItsOwnLinesOnly) {
  Pipe records = make_pipe();
  Pipe access = make_pipe();
  Log::Options options = options_for(records.write.get());
  options.access_fd = access.write.get();
  std::string text;
  std::uint64_t dropped = 0;
  constexpr std::uint64_t kLines = 20'000;
  std::thread reader;
  {
    Log log(options);
    for (std::uint64_t i = 0; i < kLines; ++i) log.access(std::string(999, 'x') + "\n");
    dropped = log.dropped();
    // The pipe, the writer's hands and the backlog hold at most 9 MB of the 20.
    EXPECT_GT(dropped, kLines / 2);
    log.info("passes");
    pollfd ready{records.read.get(), POLLIN, 0};
    ASSERT_EQ(poll(&ready, 1, 10'000), 1);
    reader = std::thread([&] { text = read_all(access.read.get()); });
    log.flush();
    log.access("again\n");
  }
  access.write.reset();
  reader.join();
  const auto lines = lines_of(text);
  EXPECT_EQ(lines.size(), kLines - dropped + 1);
  EXPECT_EQ(lines.back(), "again");
}

TEST(Log, DroppedLinesAreSaid) {
  Pipe records = make_pipe();
  Pipe access = make_pipe();
  std::string text;
  std::uint64_t dropped = 0;
  std::thread reader([&] { text = read_all(records.read.get()); });
  {
    Log::Options options = options_for(records.write.get());
    options.access_fd = access.write.get();
    Log log(options);
    for (int i = 0; i < 20'000; ++i) log.access(std::string(999, 'x') + "\n");
    dropped = log.dropped();
  }
  records.write.reset();
  reader.join();
  std::uint64_t said = 0;
  for (const std::string& line : lines_of(text)) {
    EXPECT_TRUE(contains(line, "\"code\":\"CORRAL-190\"")) << line;
    std::uint64_t part = 0;
    const char* field = std::strstr(line.c_str(), "\"access_lines\":");
    ASSERT_NE(field, nullptr);
    ASSERT_EQ(std::sscanf(field, "\"access_lines\":%lu", &part), 1);
    said += part;
  }
  EXPECT_EQ(said, dropped);
}

TEST(Log, StalledRecordsLetTheCallerGo) {
  Pipe pipe = make_pipe(O_NONBLOCK);  // as when another program made the terminal non-blocking
  Log log(options_for(pipe.write.get()));
  const std::string message(10'000, 'r');
  const Milliseconds start_ms = monotonic_ms();
  for (int i = 0; i < 1'000; ++i) log.info(message);
  // One patience for the whole time, not one a line: 700 lines were too many.
  EXPECT_LT(monotonic_ms() - start_ms, 20 * kRecordPatienceMs);
  EXPECT_GT(log.dropped(), 500u);
}

TEST(Log, FilesGetEverything) {
  char path[] = "/tmp/corral-log-XXXXXX";
  Fd file(mkstemp(path));
  ASSERT_TRUE(file);
  unlink(path);
  {
    Log log(options_for(file.get(), LogFormat::text));
    for (int i = 0; i < 10'000; ++i) log.info("line");
  }
  struct stat about{};
  fstat(file.get(), &about);
  EXPECT_EQ(about.st_size, 10'000 * static_cast<off_t>(std::strlen(
                                        "2026-11-21 10:00:00.123 engine     INFO    line\n")));
}

std::string line_on_terminal() {
  int master = -1, terminal = -1;
  EXPECT_EQ(openpty(&master, &terminal, nullptr, nullptr, nullptr), 0);
  Fd master_end(master), terminal_end(terminal);
  Log log(options_for(terminal, LogFormat::text));
  log.info("hello", {{"k", 1}});
  log.flush();
  std::array<char, 4096> part;
  const ssize_t count = read(master, part.data(), part.size());
  return std::string(part.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
}

TEST(Log, ColourOnlyOnATerminalThatWantsIt) {
  setenv("TERM", "xterm", 1);
  unsetenv("NO_COLOR");
  EXPECT_TRUE(contains(line_on_terminal(), "\x1b[32mINFO"));
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(contains(line_on_terminal(), "\x1b"));
  unsetenv("NO_COLOR");
  Pipe pipe = make_pipe();
  {
    Log log(options_for(pipe.write.get(), LogFormat::text));
    log.info("hello");
  }
  pipe.write.reset();
  EXPECT_FALSE(contains(read_all(pipe.read.get()), "\x1b"));
}

}  // namespace
}  // namespace corral
