#!/usr/bin/env bash
# Prepares the checkout. Each argument is a stage; a stage that is already done for these files costs milliseconds.
#
#   build   compilers and libraries of the distribution, .tools/ (uv), Python 3.14, .venv/ with Django
#   test    what the tests import: pytest, hypothesis, database drivers (pyproject.toml, dependency-groups); what they
#           run: Chromium, wrk, valgrind, libfaketime, a PostgreSQL,
#           pgbouncer; llhttp, which the parser is compared with
#   lint    the pinned formatters (same place)
#   fuzz    clang with libFuzzer, llhttp
#
# Only packages of the distribution touch anything outside the checkout: installed when run as root, named otherwise.
set -euo pipefail
source "$(dirname "$0")/common.sh"

venv="$root/.venv"
python="$venv/bin/python"
uv="$root/.tools/bin/uv"

# The stamps say which inputs the stages were made from. The checkout's own place is one: environments do not move.
inputs_key() {
  {
    printf '%s\n' "$root" "${CORRAL_PYTHON:-}"
    cat "$root/pyproject.toml" "$root/tools/setup.sh" "$root/tools/common.sh" "$root/tools/python314.sh"
  } | sha256sum | cut -d' ' -f1
}
stamp_of() { printf '%s/.setup-%s' "$venv" "$1"; }
done_already() { [ -x "$python" ] && [ "$(cat "$(stamp_of "$1")" 2>/dev/null)" = "$key" ]; }

# By what they provide, so that a compiler from elsewhere is as good as the distribution's.
need_compilers() {
  local missing=()
  command -v "${CXX:-g++}" >/dev/null || missing+=(g++)
  command -v cmake >/dev/null || missing+=(cmake)
  command -v ninja >/dev/null || missing+=(ninja-build)
  [ ${#missing[@]} -eq 0 ] || need_packages "${missing[@]}" libfmt-dev libgtest-dev
  missing=()
  has_header fmt/format.h || missing+=(libfmt-dev)
  has_header gtest/gtest.h || missing+=(libgtest-dev)
  [ ${#missing[@]} -eq 0 ] || need_packages "${missing[@]}"
}
has_header() { printf '#include <%s>\n' "$1" | "${CXX:-g++}" -std=c++20 -E -x c++ - >/dev/null 2>&1; }

# The demo is tested in a real browser. Without one its tests are skipped, except in CI.
need_browser() {
  if command -v chromium || command -v chromium-browser; then return 0; fi >/dev/null
  if [ "$(id -u)" -eq 0 ] || [ "${CI:-}" = true ]; then
    need_packages chromium
  else
    say "tests of the demo in a browser are skipped; for them run: sudo apt-get install chromium"
  fi
}

# For the tests of bench/ and the counts of instructions. Without them those are skipped, except in CI.
need_meters() {
  if command -v wrk && command -v valgrind; then return 0; fi >/dev/null
  if [ "$(id -u)" -eq 0 ] || [ "${CI:-}" = true ]; then
    need_packages wrk valgrind
  else
    say "tests that measure are skipped; for them run: sudo apt-get install wrk valgrind"
  fi
}

# For tests/chaos: a wrong clock, and a database server of its own. Without them those tests are skipped, except in CI.
need_chaos() {
  if compgen -G '/usr/lib/*/faketime/libfaketime.so.1' && compgen -G '/usr/lib/postgresql/*/bin/initdb'; then
    return 0
  fi >/dev/null
  if [ "$(id -u)" -eq 0 ] || [ "${CI:-}" = true ]; then
    need_packages libfaketime postgresql
  else
    say "some tests of harm are skipped; for them run: sudo apt-get install libfaketime postgresql"
  fi
}

# A pooler in front of PostgreSQL. Without it the test of one is skipped, except in CI.
need_pooler() {
  if command -v pgbouncer || [ -x /usr/sbin/pgbouncer ]; then return 0; fi >/dev/null
  if [ "$(id -u)" -eq 0 ] || [ "${CI:-}" = true ]; then
    need_packages pgbouncer
  else
    say "a test behind a pooler is skipped; for it run: sudo apt-get install pgbouncer"
  fi
}

# The sources of another parser. Without them the comparison is skipped, except in CI.
need_llhttp() {
  [ -e /usr/share/llhttp/llhttp.c ] && return 0
  if [ "$(id -u)" -eq 0 ] || [ "${CI:-}" = true ]; then
    need_packages node-llhttp
  else
    say "the comparison with llhttp is skipped; for it run: sudo apt-get install node-llhttp"
  fi
}

# uv in an environment of its own, made by whatever Python 3 is here; Debian's needs the package python3-venv for it.
need_uv() {
  "$uv" --version >/dev/null 2>&1 && return 0
  local candidate maker=""
  for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then maker=$candidate; break; fi
  done
  if [ -z "$maker" ]; then
    need_packages python3 python3-venv
    maker=/usr/bin/python3
  fi
  say "making .tools/ (uv)"
  rm -rf "$root/.tools"
  "$maker" -m venv "$root/.tools"
  "$root/.tools/bin/python" -m pip install --quiet --disable-pip-version-check 'uv>=0.9' ||
    die "pip cannot install uv; is a package index reachable?"
}

# An environment on the Python that python314.sh finds; kept when it is one already.
need_venv() {
  local base
  base=$("$root/tools/python314.sh")
  if [ "$(cat "$venv/.setup-base" 2>/dev/null)" = "$base" ] && "$python" -c 'import sys' 2>/dev/null; then return 0; fi
  say "making .venv/ on $base"
  rm -rf "$venv"
  "$uv" venv --quiet --no-python-downloads --python "$base" "$venv"
  printf '%s\n' "$base" >"$venv/.setup-base"
  rm -f "$root"/build/*/CMakeCache.txt  # it remembers the headers of the Python before
}

install() {
  say "installing Python packages: $*"
  (cd "$root" && "$uv" pip install --quiet --python "$python" "$@") || die "uv cannot install them; see above"
}

run_stage() {
  case $1 in
    build) need_compilers; need_uv; need_venv; install -r pyproject.toml --extra django ;;
    test) need_browser; need_meters; need_chaos; need_pooler; need_llhttp; install --group test ;;
    lint) install --group lint ;;
    fuzz) need_packages clang node-llhttp ;;
    *) die "unknown stage $1 (build, test, lint, fuzz)" ;;
  esac
}

key=$(inputs_key)
for stage in "$@"; do
  if done_already "$stage"; then continue; fi
  run_stage "$stage"
  printf '%s\n' "$key" >"$(stamp_of "$stage")"
done
