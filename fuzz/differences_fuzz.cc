// One fuzzing input: the bytes of a connection, read by Corral and by llhttp. Aborts on a
// difference that is not in the tables. How to run it: README.md.
#include <cstdint>
#include <cstdio>

#include "base/check.h"
#include "differences.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace corral::fuzz;
  const Comparison comparison =
      compare_readings({reinterpret_cast<const char*>(data), size}, corral::HttpLimits());
  if (comparison.verdict == Verdict::finding) std::fprintf(stderr, "%s\n", comparison.what.c_str());
  CORRAL_CHECK(comparison.verdict != Verdict::finding, "a difference from llhttp");
  return 0;
}
