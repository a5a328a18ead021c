// The program whose instructions are counted: it finds, checks and parses a browser's head 10,000
// times and says nothing. One head is a ten thousandth of what
//   valgrind --tool=callgrind build/release/http_parse_count
// counts; start and end of the program are below one percent of it.
#include "http/head_finder.h"
#include "http/parser.h"
#include "http/sample_heads.h"

using namespace corral::http;  // NOLINT: a program of its own

int main() {
  constexpr int kHeads = 10'000;
  const corral::HttpLimits limits;
  HeadFinder finder(limits);
  Request request;
  for (int i = 0; i < kHeads; ++i) {
    finder.reset();
    if (finder.find(kBrowserHead) != HeadFinder::State::found) return 1;
    request.reset();
    request.head.assign(kBrowserHead.substr(0, finder.head_bytes()));
    if (parse_head(request, limits)) return 1;
  }
  return 0;
}
