// Assertions that stay on in release builds: a broken invariant stops the process with the place
// and the reason.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CORRAL_CHECK(condition, reason)                                                   \
  do {                                                                                    \
    if (!(condition)) [[unlikely]] {                                                      \
      std::fprintf(stderr, "corral: bug at %s:%d: %s (%s)\n", __FILE__, __LINE__, reason, \
                   #condition);                                                           \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)
