# Shared by the set-up scripts: where the checkout is, how to speak, how to ask for distribution packages.
# Source it; it changes nothing by itself.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

# need_packages PACKAGE...: install the missing ones when root, else name them in one copyable line.
need_packages() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local line="apt-get install --yes --no-install-recommends ${missing[*]}"
  command -v apt-get >/dev/null || die "this set-up knows Debian and Ubuntu only; install the equivalents of: ${missing[*]}"
  [ "$(id -u)" -eq 0 ] || die "packages of the distribution are missing. Run: sudo $line"
  say "$line"
  if ! DEBIAN_FRONTEND=noninteractive $line >"$root/.setup.log" 2>&1; then
    apt-get update >>"$root/.setup.log" 2>&1 || true
    DEBIAN_FRONTEND=noninteractive $line >>"$root/.setup.log" 2>&1 ||
      die "apt-get failed; its output is in .setup.log"
  fi
}
