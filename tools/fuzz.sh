#!/usr/bin/env bash
# Fuzzes the parser with Clang's libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer: tools/fuzz.sh SECONDS.
#
# Two fuzzers side by side, each on one processor: the parser's invariants (src/http/parser_fuzz.cc) and its differences
# from llhttp (fuzz/differences_fuzz.cc). What they learn stays in build/fuzz/NAME/, so the next run goes on from there;
# an input that breaks something is in build/fuzz/NAME-crash-*, and the exit status is not 0.
set -euo pipefail
source "$(dirname "$0")/common.sh"

seconds=${1:?how many seconds}
build="$root/build/fuzz"
flags=(-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all)
parser=("$root"/src/http/{parser,chunked,headers,head_finder,authority,scan,scan_scalar,scan_x86,scan_neon}.cc
  "$root"/src/base/block_cache.cc)
mkdir -p "$build"
cd "$build"

compile() {  # NAME SOURCE...
  clang++ -std=c++20 "${flags[@]}" -fsanitize=fuzzer -I"$root/src" -I"$root/fuzz" -I/usr/share/include -o "$@"
}
clang "${flags[@]}" -fsanitize=fuzzer-no-link -w -DLLHTTP_STRICT_MODE=1 -I/usr/share/include/llhttp \
  -c /usr/share/llhttp/{api,http,llhttp}.c
compile parser_fuzz "$root/src/http/parser_fuzz.cc" "${parser[@]}"
compile differences_fuzz "$root"/fuzz/{differences_fuzz,differences,differences_tables,corral_reading,llhttp_reading}.cc \
  "${parser[@]}" {api,http,llhttp}.o

run() {  # NAME
  mkdir -p "$1"
  "./$1_fuzz" -max_total_time="$seconds" -max_len=2048 -dict="$root/fuzz/http.dict" -artifact_prefix="$1-" \
    -print_final_stats=1 "$1" "$root/fuzz/parser" >"$1.log" 2>&1
}
pids=()
for name in parser differences; do
  run "$name" &
  pids+=($!)
done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=1; done

for name in parser differences; do
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$name.log")
  coverage=$(grep -o 'cov: [0-9]* ft: [0-9]*' "$name.log" | tail -1)
  printf '%-12s %s executions, %s, %s inputs kept\n' "$name" "${executions:-?}" "$coverage" "$(ls "$name" | wc -l)"
done
if [ $status -ne 0 ]; then
  tail -n 30 parser.log differences.log >&2
  die "something broke; the input is in build/fuzz/"
fi
