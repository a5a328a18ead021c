#!/usr/bin/env bash
# Runs the C++ tests of a sanitizer preset: tools/sanitize.sh asan|tsan (after `cmake --build build/PRESET`).
#
# Rooms without Python are programs of their own. The others are loaded into an ordinary Python with the sanitizer's
# runtime preloaded; the package they see is build/PRESET/python: links to python/corral with that preset's _core.
set -euo pipefail
source "$(dirname "$0")/common.sh"

preset=$1
shift
build="$root/build/$preset"
case $preset in
  asan) library=libasan.so ;;
  tsan) library=libtsan.so ;;
  *) die "unknown preset $preset (asan, tsan)" ;;
esac

# ThreadSanitizer's shadow memory collides with the kernel's strongest address randomisation.
fixed=()
if [ "$preset" = tsan ] && setarch -R true 2>/dev/null; then fixed=(setarch -R); fi

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
"${fixed[@]}" ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$(nproc)"

rm -rf "$build/python"
mkdir -p "$build/python"
cp -rs "$root/python/corral" "$build/python/"
rm -f "$build"/python/corral/_core.*.so
[ ! -e "$build"/_core.*.so ] || ln -s "$build"/_core.*.so "$build/python/corral/"

# CPython keeps memory to the end of the process on purpose, so leaks are looked for in the programs above only.
export ASAN_OPTIONS=detect_leaks=0
export CORRAL_BUILD_DIR="$build" PYTHONPATH="$build/python"
export CORRAL_TEST_PRELOAD=$("${CXX:-g++}" -print-file-name="$library")
"${fixed[@]}" "$root/.venv/bin/python" -m pytest -q "$root/tests/test_rooms.py" "$@"
