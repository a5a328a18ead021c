#!/usr/bin/env bash
# Runs the demo for `make demo`, in build/demo/ unless the arguments say otherwise. In a terminal corral becomes the
# foreground job: Ctrl-C then reaches corral alone, which drains and exits 0, and make, which would otherwise be
# interrupted too, reports success.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || set -- "$root/build/demo"

# Fields 5 and 8 of stat: our process group and the one in the foreground. In the background a job of our own would stop.
read -r -a stat </proc/$$/stat
if [ -t 0 ] && [ "${stat[4]}" = "${stat[7]}" ]; then
  set -m
  "$root/.venv/bin/corral" demo "$@"
  exit
fi
exec "$root/.venv/bin/corral" demo "$@"
