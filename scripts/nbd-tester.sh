#!/usr/bin/env bash
# Makes the protocol's own tester, nbd-tester-client, from Debian's source package of nbd, in the directory given: no
# binary package has it. Prints nothing and does nothing, quickly, when it is there already.
set -euo pipefail
where=${1:?usage: scripts/nbd-tester.sh DIRECTORY}
mkdir -p "$where"
where=$(realpath "$where")
exec 9>"$where/lock"
flock 9
[ -x "$where/nbd-tester-client" ] && exit 0

work=$(mktemp -d "$where/build-XXXXXX")
trap 'rm -rf "$work"' EXIT

# Bookworm's own version is gone from Debian's servers. These lists are apart from the system's, which stays as it is;
# apt checks signatures and checksums all the same.
fetch() {
  local suite=$1
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  echo "deb-src http://deb.debian.org/debian $suite main" >"$work/sources.list"
  local apt=(apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=-
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
  "${apt[@]}" update && (cd "$work" && "${apt[@]}" source --download-only nbd)
}
for suite in trixie sid; do
  fetch "$suite" >"$work/log" 2>&1 && break
done
if ! ls "$work"/nbd_*.orig.tar.xz >/dev/null 2>&1; then
  echo "nbd-tester: cannot fetch Debian's source package nbd:" >&2
  tail -n 5 "$work/log" >&2
  exit 1
fi

mkdir "$work/source"
tar -xf "$work"/nbd_*.orig.tar.xz -C "$work/source" --strip-components=1
cd "$work/source"
# All that the tester asks of its configure script, on every 64-bit Linux.
cat >config.h <<'CONFIG'
#define SIZEOF_UNSIGNED_SHORT_INT 2
#define SIZEOF_UNSIGNED_INT 4
#define SIZEOF_UNSIGNED_LONG_INT 8
#define SIZEOF_UNSIGNED_LONG_LONG_INT 8
#define HAVE_FDATASYNC 1
#define HAVE_MKSTEMP 1
CONFIG
read -ra glib <<<"$(pkg-config --cflags --libs glib-2.0)"
cc -O2 -w -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. tests/run/nbd-tester-client.c cliserv.c -o tester "${glib[@]}"
cp tests/run/integrity-test.tr tests/run/integrityhuge-test.tr "$where"
# Last: its presence says that all is there.
mv tester "$where/nbd-tester-client"
