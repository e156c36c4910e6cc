#!/usr/bin/env bash
# Downloads what the guest is made of, and the machine that runs it, into DIRECTORY/unpacked: Debian's kernel of
# bookworm-backports, QEMU of there, and the tools that this machine may lack. Nothing is installed, and root is not
# needed. Done once: remove the directory for newer packages. About 130 MB, of which the kernel is 106.
set -euo pipefail
where=${1:?usage: e2e/kernel/fetch.sh DIRECTORY}
mkdir -p "$where"
where=$(realpath "$where")
[ ! -e "$where/unpacked/complete" ] || exit 0
rm -rf "$where/unpacked" "$where/apt"
mkdir -p "$where/unpacked" "$where/apt/lists/partial" "$where/apt/cache/archives/partial"

# Lists of its own: the system's stay as they are, and may lack the backports. Signatures are checked all the same.
cat >"$where/apt/sources.list" <<'SOURCES'
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-backports main
SOURCES
apt=(apt-get -qq -o "Dir::Etc::SourceList=$where/apt/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$where/apt/lists"
  -o "Dir::Cache=$where/apt/cache" -o APT::Sandbox::User=root -o Debug::NoLocking=1)
# Also what is installed already, for a tree that is the same everywhere; of what they need, only what is missing here.
download=(install -y --download-only --reinstall --no-install-recommends)
echo "kernel: downloading Debian's kernel, QEMU and the guest's tools"
"${apt[@]}" update
"${apt[@]}" "${download[@]}" busybox-static kmod open-iscsi
# Apart: the tools above stay those that fit this machine's libraries. QEMU has to fit an installed qemu-utils.
"${apt[@]}" -t bookworm-backports "${download[@]}" qemu-system-x86
(
  cd "$where/apt/cache/archives"
  "${apt[@]}" -t bookworm-backports download linux-image-amd64
  # The package of that name is empty; what it depends on is the kernel.
  "${apt[@]}" -t bookworm-backports download "$(dpkg -f linux-image-amd64_*.deb Depends | cut -d' ' -f1)"
)
for package in "$where"/apt/cache/archives/*.deb; do dpkg -x "$package" "$where/unpacked"; done
rm -rf "$where/apt"
touch "$where/unpacked/complete"
