// How the C library's allocator gives memory back to the system, for this process.
#pragma once

namespace corral::engine {

// Called once, before the workers' threads begin. Where the operator has set a value by the usual
// variables (MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_, MALLOC_ARENA_MAX, or GLIBC_TUNABLES)
// that one stays. `workers`: of all groups.
void tune_allocator(int workers);

}  // namespace corral::engine
