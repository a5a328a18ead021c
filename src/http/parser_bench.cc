// How long a head takes to find, check and parse, by itself: build/release/http_parser_bench.
#include <algorithm>
#include <cstdio>
#include <string_view>

#include "base/clock.h"
#include "http/head_finder.h"
#include "http/parser.h"
#include "http/sample_heads.h"

namespace {

using namespace corral::http;  // NOLINT: a program of its own

double measure_ns(std::string_view head, const scan::Variant& variant) {
  constexpr int kRounds = 1'000, kRepeats = 1'000;  // short and many: the best was not disturbed
  const corral::HttpLimits limits;
  HeadFinder finder(limits, variant);
  Request request;
  double best = 1e9;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const std::int64_t begin = corral::monotonic_ns();
    for (int round = 0; round < kRounds; ++round) {
      finder.reset();
      if (finder.find(head) != HeadFinder::State::found) return -1;
      request.reset();
      request.head.assign(head.substr(0, finder.head_bytes()));
      if (parse_head(request, limits, variant)) return -1;
    }
    best = std::min(best, static_cast<double>(corral::monotonic_ns() - begin) / kRounds);
  }
  return best;
}

void report(const char* name, std::string_view head) {
  for (const scan::Variant* variant : scan::variants())
    std::printf("%-8s %4zu bytes  %-6s %7.1f ns\n", name, head.size(), variant->name,
                measure_ns(head, *variant));
}

}  // namespace

int main() {
  report("least", kLeastHead);
  report("curl", kCurlHead);
  report("browser", kBrowserHead);
  return 0;
}
