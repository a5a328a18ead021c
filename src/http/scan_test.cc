// Every variant of the scans against the scalar one, whose meaning is tested by itself.
#include "http/scan.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "http/bytes.h"
#include "http/sample_heads.h"

namespace corral::http::scan {
namespace {

// One page between two that cannot be touched: a read one byte outside the input ends the test.
class FencedPage {
 public:
  FencedPage() : page_bytes_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
    void* all = ::mmap(nullptr, 3 * page_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CORRAL_CHECK(all != MAP_FAILED, "mmap");
    first_ = static_cast<char*>(all);
    CORRAL_CHECK(::mprotect(begin(), page_bytes_, PROT_READ | PROT_WRITE) == 0, "mprotect");
  }
  ~FencedPage() { ::munmap(first_, 3 * page_bytes_); }
  FencedPage(const FencedPage&) = delete;
  FencedPage& operator=(const FencedPage&) = delete;

  char* begin() const { return first_ + page_bytes_; }
  char* end() const { return begin() + page_bytes_; }
  std::size_t size() const { return page_bytes_; }

  const char* put_at_begin(std::string_view bytes, std::size_t offset = 0) const {
    return copy(bytes, begin() + offset);
  }
  const char* put_at_end(std::string_view bytes, std::size_t offset = 0) const {
    return copy(bytes, end() - bytes.size() - offset);
  }

 private:
  static const char* copy(std::string_view bytes, char* at) {
    if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
    return at;
  }
  std::size_t page_bytes_;
  char* first_;
};

std::vector<Marks> mark(const Variant& variant, const char* bytes, std::size_t size) {
  std::vector<Marks> marks((size + kBlockBytes - 1) / kBlockBytes);
  variant.mark(bytes, size, marks.data());
  return marks;
}

std::string show(std::string_view bytes) {
  std::string text;
  for (char byte : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto number = static_cast<unsigned char>(byte);
    text += {kDigits[number >> 4], kDigits[number & 15], ' '};
  }
  return text;
}

class Variants : public testing::TestWithParam<const Variant*> {
 protected:
  // Wherever the input lies in memory.
  void expect_same(std::string_view bytes, const char* at) {
    const Variant& variant = *GetParam();
    ASSERT_EQ(mark(variant, at, bytes.size()), mark(scalar(), at, bytes.size())) << show(bytes);
    ASSERT_EQ(variant.find_stop(at, bytes.size(), 0), scalar().find_stop(at, bytes.size(), 0))
        << show(bytes);
  }
  void expect_same_at_both_fences(std::string_view bytes) {
    expect_same(bytes, page_.put_at_end(bytes));
    expect_same(bytes, page_.put_at_begin(bytes));
  }
  void expect_same_from_everywhere(std::string_view bytes) {
    const char* at = page_.put_at_end(bytes);
    for (std::size_t from = 0; from <= bytes.size(); ++from)
      ASSERT_EQ(GetParam()->find_stop(at, bytes.size(), from),
                scalar().find_stop(at, bytes.size(), from))
          << "from " << from << ": " << show(bytes);
  }
  FencedPage page_;
};

INSTANTIATE_TEST_SUITE_P(Scan, Variants, testing::ValuesIn(variants().begin(), variants().end()),
                         [](const auto& row) {
                           std::string name = row.param->name;
                           std::erase(name, '.');
                           return name;
                         });

// What is likely to differ: the bytes at the edges of the classes, and line ends in every order.
constexpr std::string_view kEdges("\r\n\r\n\r\n\t\x1f \x7f\x80\xff\0aZ:_~/09@[`{\x0b\x0e\x1e!\"",
                                  34);

class Source {
 public:
  std::string next(std::size_t size) {
    std::string bytes(size, '\0');
    const unsigned kind = random_() % 4;
    for (char& byte : bytes) byte = kind == 3 ? any() : kind == 2 ? edge() : rare(kind);
    return bytes;
  }
  std::size_t pick(std::size_t bound) { return random_() % bound; }

 private:
  char any() { return static_cast<char>(random_()); }
  char edge() { return kEdges[pick(kEdges.size())]; }
  // Mostly bytes that stop nothing: what counts is where the rare other one is.
  char rare(unsigned kind) { return pick(kind == 0 ? 20 : 200) == 0 ? edge() : 'a'; }

  std::mt19937 random_{9112};
};

TEST_P(Variants, AgreeOnEveryLength) {
  Source source;
  for (std::size_t size = 0; size <= 300; ++size)
    for (int round = 0; round < 20; ++round) expect_same_at_both_fences(source.next(size));
}

TEST_P(Variants, AgreeAtEveryAlignment) {
  Source source;
  for (std::size_t size : {0, 1, 15, 16, 17, 18, 31, 33, 34, 63, 64, 65, 100, 127, 128, 200}) {
    for (std::size_t offset = 0; offset < kBlockBytes; ++offset) {
      const std::string bytes = source.next(size);
      expect_same(bytes, page_.put_at_begin(bytes, offset));
      expect_same(bytes, page_.put_at_end(bytes, offset));
    }
  }
}

TEST_P(Variants, AgreeFromEveryBeginning) {
  Source source;
  for (std::size_t size = 0; size <= 140; ++size)
    for (int round = 0; round < 4; ++round) expect_same_from_everywhere(source.next(size));
}

TEST_P(Variants, AgreeOnEveryByteAtEveryPlace) {
  for (std::size_t size : {5, 16, 17, 31, 40, 64, 79, 130}) {
    std::string bytes(size, 'a');
    for (std::size_t place = 0; place < size; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        bytes[place] = static_cast<char>(byte);
        expect_same(bytes, page_.put_at_end(bytes));
      }
      bytes[place] = 'a';
    }
  }
}

TEST_P(Variants, AgreeOnEveryPairOfLineBytesAtEveryPlace) {
  constexpr std::string_view kLineBytes = "\r\na";
  std::string bytes(80, 'a');
  for (std::size_t place = 0; place + 4 <= bytes.size(); ++place) {
    for (int number = 0; number < 81; ++number) {
      for (int i = 0, rest = number; i < 4; ++i, rest /= 3)
        bytes[place + static_cast<std::size_t>(i)] = kLineBytes[static_cast<std::size_t>(rest % 3)];
      expect_same_at_both_fences(bytes);
    }
    bytes.replace(place, 4, "aaaa");
  }
}

TEST_P(Variants, AgreeOnAWholePage) {
  Source source;
  for (int round = 0; round < 20; ++round) expect_same_at_both_fences(source.next(page_.size()));
}

TEST_P(Variants, FindTheEndsOfHeads) {
  for (std::string_view head : {kBrowserHead, kLeastHead, kCurlHead}) {
    const std::string bytes = std::string(head) + "GET / HTTP/1.1\r\n\r\n";
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      const char* at = page_.put_at_end(std::string_view(bytes).substr(0, size));
      EXPECT_EQ(GetParam()->find_stop(at, size, 0), std::min(size, head.size() - 1));
    }
  }
}

// --- the scalar one says what is right

std::size_t find_stop(std::string_view bytes, std::size_t from = 0) {
  return scalar().find_stop(bytes.data(), bytes.size(), from);
}

TEST(ScalarScan, StopsAtTheEndOfAHeadAndAtBrokenLineEnds) {
  EXPECT_EQ(find_stop(""), 0u);
  EXPECT_EQ(find_stop("a\r\nb"), 4u);
  EXPECT_EQ(find_stop("a\r\n\r\nb"), 4u);
  EXPECT_EQ(find_stop("a\r\n\r"), 4u) << "one byte more decides";
  EXPECT_EQ(find_stop("\n"), 0u);
  EXPECT_EQ(find_stop("\r\n"), 2u);
  EXPECT_EQ(find_stop("\r\n\r\n"), 3u);
  EXPECT_EQ(find_stop("a\nb"), 1u);
  EXPECT_EQ(find_stop("a\rb"), 2u);
  EXPECT_EQ(find_stop("a\r\rb"), 2u);
  EXPECT_EQ(find_stop("a\r\n\nb"), 3u);
  EXPECT_EQ(find_stop("a\r\n\r\n\r\n", 5), 6u) << "bytes before are neighbours";
  EXPECT_EQ(find_stop("a\nb", 2), 3u);
}

TEST(ScalarScan, MarksByTheTableAndBeyondTheEnd) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  bytes += "ab";
  const std::vector<Marks> marks = mark(scalar(), bytes.data(), bytes.size());
  ASSERT_EQ(marks.size(), 5u);
  for (std::size_t i = 0; i < marks.size() * kBlockBytes; ++i) {
    const bool inside = i < bytes.size();
    EXPECT_EQ(marks[i / 64].not_token >> (i % 64) & 1,
              !(inside && is_in(bytes[i], kTokenByte)) ? 1u : 0u)
        << i;
    EXPECT_EQ(marks[i / 64].not_field >> (i % 64) & 1,
              !(inside && is_in(bytes[i], kFieldByte)) ? 1u : 0u)
        << i;
  }
}

TEST(Scan, TheBestIsTheLast) {
  ASSERT_FALSE(variants().empty());
  EXPECT_EQ(variants().front(), &scalar());
  EXPECT_EQ(variants().back(), &best());
#if defined(__x86_64__)
  EXPECT_EQ(&best() == find_avx2(), __builtin_cpu_supports("avx2") != 0);
#elif defined(__aarch64__)
  EXPECT_EQ(&best(), find_neon());
#endif
}

}  // namespace
}  // namespace corral::http::scan
