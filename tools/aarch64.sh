#!/usr/bin/env bash
# Runs the tests of the parser and of its NEON scans on an emulated AArch64. Needs, from the distribution:
# g++-aarch64-linux-gnu, qemu-user and the sources of GoogleTest (libgtest-dev). No part of `make test`.
set -euo pipefail
source "$(dirname "$0")/common.sh"

compiler=aarch64-linux-gnu-g++
googletest=/usr/src/googletest/googletest
command -v "$compiler" >/dev/null || die "no $compiler; install g++-aarch64-linux-gnu"
command -v qemu-aarch64 >/dev/null || die "no qemu-aarch64; install qemu-user"
[ -d "$googletest" ] || die "no $googletest; install libgtest-dev"

out="$root/build/aarch64"
mkdir -p "$out"
flags=(-std=c++20 -O2 -Wall -Wextra -Werror -static -I"$root/src")
[ "$out/gtest.a" -nt "$googletest/src/gtest-all.cc" ] || {
  "$compiler" -std=c++20 -O1 -I"$googletest" -I"$googletest/include" -c "$googletest/src/gtest-all.cc" -o "$out/gtest.o"
  "$compiler" -std=c++20 -O1 -I"$googletest/include" -c "$googletest/src/gtest_main.cc" -o "$out/main.o"
  ar rcs "$out/gtest.a" "$out/gtest.o" "$out/main.o"
}
cd "$root/src/http"
"$compiler" "${flags[@]}" -I"$googletest/include" scan{,_scalar,_x86,_neon,_test}.cc headers.cc authority.cc chunked.cc \
  parser{,_test,_refusal_test}.cc head_finder{,_test}.cc chunked_test.cc ../base/block_cache.cc "$out/gtest.a" -lpthread -o "$out/parser_test"
exec qemu-aarch64 "$out/parser_test" --gtest_brief=1 --gtest_filter=-*DeathTest* "$@"
