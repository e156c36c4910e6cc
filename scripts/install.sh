#!/usr/bin/env bash
# Installs what is missing on Debian 12. `install.sh run` for building and running, `install.sh test` for the tests too.
# Quick when nothing is missing; as root, or with sudo.
set -euo pipefail

packages=(build-essential pkg-config lld e2fsprogs util-linux kmod)
[ "${1:-run}" = test ] && packages+=(
  fio libnbd-bin qemu-utils zstd xfsprogs jq curl procps psmisc # clients and tools that the tests drive
  chromium fonts-dejavu-core                                   # the browser tests
)

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else echo "install.sh: root is needed for: $* (run as root, or install sudo)" >&2; exit 1; fi
}

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
# Node may come from elsewhere than Debian, whose npm would conflict with it.
if [ "${1:-run}" = test ] && ! { command -v node && command -v npm; } >/dev/null; then missing+=(nodejs npm); fi

command -v cargo >/dev/null || { echo "install.sh: cargo is missing; install Rust with rustup (https://rustup.rs)" >&2; exit 1; }
# The dashboard's target: from rustup where it can download it, else Debian's own compiler builds it.
if ! rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown &&
  ! rustup target add wasm32-unknown-unknown >/dev/null 2>&1; then
  for package in rustc-web cargo-web rust-web-src libstd-rust-web-dev; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
fi

if [ ${#missing[@]} -gt 0 ]; then
  echo "installing: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
