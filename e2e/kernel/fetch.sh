#!/usr/bin/env bash
# Downloads what the guest is made of, and the machine that runs it: QEMU and the tools that this machine may lack into
# DIRECTORY/unpacked, the kernel into DIRECTORY/kernels/KERNEL. Nothing is installed, and root is not needed. Done once,
# and again when other packages are named here: remove a directory for newer ones. About 27 MB, and 106 to 170 for a kernel.
#
# KERNEL is a suite of Debian, for the kernel that is newest there, or SUITE_VERSION: trixie-backports_6.16.3+deb13
set -euo pipefail
[ $# = 2 ] || { echo "usage: e2e/kernel/fetch.sh DIRECTORY KERNEL" >&2; exit 2; }
kernel=$2
mkdir -p "$1"
where=$(realpath "$1")
# What runs in the guest: modules, iSCSI, and servers and clients of NFS and CIFS.
tools=(busybox-static kmod open-iscsi nfs-kernel-server nfs-common ksmbd-tools cifs-utils cryptsetup-bin)

# Lists of its own, for the suites named: the system's stay as they are, and may lack them. Signatures are checked all the
# same.
apt_for() {
  rm -rf "$where/apt"
  mkdir -p "$where/apt/lists/partial" "$where/apt/cache/archives/partial"
  printf 'deb http://deb.debian.org/debian %s main\n' "$@" >"$where/apt/sources.list"
  options=(-o "Dir::Etc::SourceList=$where/apt/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$where/apt/lists"
    -o "Dir::Cache=$where/apt/cache" -o APT::Sandbox::User=root -o Debug::NoLocking=1)
  apt=(apt-get -qq "${options[@]}")
  "${apt[@]}" update
}

# Unpacks what was downloaded to a directory that is new, and says in it what it is made of.
unpack_to() {
  local to=$1 package
  rm -rf "$to"
  mkdir -p "$to"
  for package in "$where"/apt/cache/archives/*.deb; do dpkg -x "$package" "$to"; done
  rm -rf "$where/apt"
  shift
  echo "$*" >"$to/complete"
}

if [ "$(cat "$where/unpacked/complete" 2>/dev/null)" != "${tools[*]}" ]; then
  echo "kernel: downloading QEMU and the guest's tools"
  apt_for bookworm bookworm-backports
  # Also what is installed already, for a tree that is the same everywhere; of what they need, only what is missing here.
  download=(install -y --download-only --reinstall --no-install-recommends)
  "${apt[@]}" "${download[@]}" "${tools[@]}"
  # Apart: the tools above stay those that fit this machine's libraries. QEMU has to fit an installed qemu-utils.
  "${apt[@]}" -t bookworm-backports "${download[@]}" qemu-system-x86
  unpack_to "$where/unpacked" "${tools[@]}"
fi

if [ ! -e "$where/kernels/$kernel/complete" ]; then
  echo "kernel: downloading the kernel $kernel"
  IFS=_ read -r suite version <<<"$kernel"
  apt_for "$suite"
  # Depending on its age a kernel is one package or several, and the one without a version only names them.
  mapfile -t packages < <(apt-cache "${options[@]}" depends --recurse --important "linux-image-${version:+$version-}amd64" |
    grep -E '^linux-(image|binary|modules|base)-[0-9]')
  [ ${#packages[@]} -gt 0 ] || { echo "kernel: Debian's $suite has no kernel ${version:-of its own}" >&2; exit 1; }
  (cd "$where/apt/cache/archives" && "${apt[@]}" download "${packages[@]}")
  unpack_to "$where/kernels/$kernel" "${packages[@]}"
fi
