#!/usr/bin/env bash
# What `make bench` needs beside the packages of the tests: the servers that Aurochs is compared with, and a fio that
# speaks iSCSI. Debian's fio does not, so Debian's source of it is built with libiscsi, once, into the directory that is
# given (about half a minute). qemu-storage-daemon is taken out of its package, which would bring half of QEMU.
set -euo pipefail
into=$(realpath -m "${1:?directory for the tools}")
cd "$(dirname "$0")/.."
scripts/install.sh bench

# One that was built before it could flush over iSCSI (below) is built again.
[ -e "$into/fio-flushes" ] || rm -f "$into/fio"
[ ! -x "$into/fio" ] || [ ! -x "$into/qemu-storage-daemon" ] || exit 0
work=$(mktemp -d /var/tmp/aurochs-tools-XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir -p "$into" "$work/lists/partial" "$work/source"

echo "bench-tools: unpacking qemu-storage-daemon"
# As root apt would hand downloads to a user who may not write here.
as_is=(-qq -o APT::Sandbox::User=root)
(cd "$work" && apt-get "${as_is[@]}" download qemu-system-common && dpkg -x qemu-system-common_*.deb qemu)
install "$work/qemu/usr/bin/qemu-storage-daemon" "$into/"
[ ! -x "$into/fio" ] || exit 0

echo "bench-tools: building fio with libiscsi"
# apt's own lists stay as they are: most machines have no sources of sources. The key is the one of Debian's archive.
. /etc/os-release
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $VERSION_CODENAME main" \
  >"$work/sources.list"
apt=(apt-get "${as_is[@]}" -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$work/lists")
"${apt[@]}" update
(
  cd "$work/source"
  "${apt[@]}" source fio
  cd fio-*/
  # It asks for a flush of as many blocks as the unit has bytes, which a target refuses, and takes the refusal for a flush.
  # Zero blocks are all there are.
  everything='0, iscsi_lun->num_blocks \* iscsi_lun->block_size, 0, 0'
  grep -q "$everything" engines/libiscsi.c || { echo "bench-tools: fio flushes in another way now"; exit 1; }
  sed -i "s/$everything/0, 0, 0, 0/" engines/libiscsi.c
  ./configure --enable-libiscsi --enable-libnbd --disable-native
  nice make -j"$(nproc)"
  install fio "$into/fio"
) >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
"$into/fio" --enghelp | grep -q libiscsi || { echo "bench-tools: the fio that was built has no iSCSI" >&2; rm "$into/fio"; exit 1; }
touch "$into/fio-flushes"
