#!/usr/bin/env bash
# Prints the path of a Python 3.14 (or newer) interpreter, making a private one in .python/ only where none can be had.
#
# Order: $CORRAL_PYTHON, python3.14 on PATH, what uv finds or can install, a private copy from Debian's forky suite.
# The private copy touches nothing outside .python/: own apt lists, own cache, an empty dpkg status file.
set -euo pipefail
source "$(dirname "$0")/common.sh"

uv="$root/.tools/bin/uv"
private="$root/.python"

usable() { "$1" -c 'import sys, ssl, sqlite3; sys.exit(sys.version_info < (3, 14))' 2>/dev/null; }

found() { printf '%s\n' "$1"; exit 0; }

if [ -n "${CORRAL_PYTHON:-}" ]; then
  usable "$CORRAL_PYTHON" || die "CORRAL_PYTHON=$CORRAL_PYTHON is not a working Python 3.14 or newer"
  found "$CORRAL_PYTHON"
fi
if path=$(command -v python3.14) && usable "$path"; then found "$path"; fi
if [ -x "$private/usr/bin/python3.14" ] && usable "$private/usr/bin/python3.14"; then found "$private/usr/bin/python3.14"; fi
if path=$("$uv" python find --no-python-downloads 3.14 2>/dev/null) && usable "$path"; then found "$path"; fi
if timeout 120 "$uv" python install --quiet 3.14 2>/dev/null &&
   path=$("$uv" python find --no-python-downloads 3.14 2>/dev/null) && usable "$path"; then found "$path"; fi

say "no Python 3.14 here and uv cannot fetch one: making a private copy in .python/ from Debian's forky suite"
need_packages patchelf

architecture=$(dpkg --print-architecture)
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)
apt="$private/apt"
rm -rf "$private"
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/state" "$apt/debs"
: >"$apt/state/status"

# The mirror and the keyring come from this machine's own apt configuration: the entry that serves a Debian main archive.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
  awk 'tolower($3) == "debian" && $1 !~ /security/ && !seen { print $1; seen = 1 }' || true)
if [ -z "$mirror" ]; then
  mirror=$(sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +([^ ]+).*/\3/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -E '/debian/?$' | sort | sed -n 1p || true)
fi
[ -n "$mirror" ] || die "found no Debian mirror in this machine's apt configuration; install Python 3.14 and set CORRAL_PYTHON"
keyring=$(ls /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp 2>/dev/null | sed -n 1p || true)
[ -n "$keyring" ] || die "the Debian archive keyring is missing. Run: apt-get install debian-archive-keyring"

printf 'deb [signed-by=%s arch=%s] %s forky main\n' "$keyring" "$architecture" "$mirror" >"$apt/sources.list"
apt_private() {
  APT_CONFIG=/dev/null apt-get -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o Dir::State="$apt/state" -o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/state/status" \
    -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -o APT::Architecture="$architecture" \
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
}
apt_private -qq update >"$root/.setup.log" 2>&1 || die "cannot read the forky suite's package lists; see .setup.log"
(cd "$apt/debs" && apt_private -qq download \
  python3.14 python3.14-minimal python3.14-dev python3.14-venv libpython3.14 libpython3.14-dev libpython3.14-minimal \
  libpython3.14-stdlib libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libssl3t64 libcrypt1 libbz2-1.0 libffi8 liblzma5 \
  libncursesw6 libtinfo6 libreadline8t64 libsqlite3-0 libuuid1 libzstd1 libdb5.3t64 libgdbm6t64 python3-pip-whl \
  >>"$root/.setup.log" 2>&1) || die "cannot download the packages of Python 3.14; see .setup.log"
for deb in "$apt"/debs/*.deb; do dpkg -x "$deb" "$private"; done

# glibc in the private folder is newer than the machine's: everything the interpreter loads must come from there, so the
# binary names the libraries it would otherwise meet first through the machine's own (extensions are built by its g++).
binary="$private/usr/bin/python3.14"
libraries="$private/usr/lib/$triplet"
loader=$(find "$private" \( -name 'ld-linux-*.so.*' -o -name 'ld-linux.so.*' \) | sort | tail -n 1)
for library in libpthread.so.0 libdl.so.2 librt.so.1 libgcc_s.so.1 libstdc++.so.6 libresolv.so.2; do
  patchelf --add-needed "$library" "$binary"
done
patchelf --force-rpath --set-rpath "$libraries" "$binary"
patchelf --set-interpreter "$loader" "$binary"
cp "$private/usr/include/$triplet/python3.14/pyconfig.h" "$private/usr/include/python3.14/pyconfig.h"
rm -rf "$apt"
usable "$binary" || die "the private Python does not run: $binary"
found "$binary"
