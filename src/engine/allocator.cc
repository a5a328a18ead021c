#include "engine/allocator.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace corral::engine {
namespace {

// By itself glibc raises both bounds whenever something larger is freed, up to 32 and 64 MiB, and
// then keeps what a few large bodies have left: with 8 threads 100 MB, for ever. Setting either
// ends that. Below 2 MiB, an application that makes bodies of 1 MiB pays for fresh pages with every
// one, which doubles its CPU time; above it, what an arena keeps adds up.
constexpr int kMmapBytes = 2 * 1024 * 1024;
constexpr int kTrimBytes = 2 * 1024 * 1024;
// Those of an interpreter run one at a time, but for the thread that made it; and some have none.
constexpr int kArenasPerWorker = 2;
constexpr int kArenasBesides = 2;
constexpr int kArenasPerCpu = 8;  // glibc's own bound

bool is_set(const char* variable, std::string_view tunable) {
  if (std::getenv(variable) != nullptr) return true;
  const char* tunables = std::getenv("GLIBC_TUNABLES");
  return tunables != nullptr && std::string_view(tunables).find(tunable) != std::string_view::npos;
}

}  // namespace

void tune_allocator(int workers) {
  if (!is_set("MALLOC_MMAP_THRESHOLD_", "glibc.malloc.mmap_threshold="))
    mallopt(M_MMAP_THRESHOLD, kMmapBytes);
  if (!is_set("MALLOC_TRIM_THRESHOLD_", "glibc.malloc.trim_threshold="))
    mallopt(M_TRIM_THRESHOLD, kTrimBytes);
  if (is_set("MALLOC_ARENA_MAX", "glibc.malloc.arena_max=")) return;
  const long cpus = std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN));
  const long arenas = kArenasPerWorker * workers + kArenasBesides;
  mallopt(M_ARENA_MAX, static_cast<int>(std::min(arenas, kArenasPerCpu * cpus)));
}

}  // namespace corral::engine
