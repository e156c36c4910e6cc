#!/usr/bin/env bash
# Installs what is missing on Debian 12: `install.sh run` for building and running, `install.sh test` for the tests too,
# `install.sh bench` for the measurements, `install.sh k8s` for the tests on a real Kubernetes.
# Does nothing, quickly, when nothing is missing. rustup's Rust is the one thing that has to be there before.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-run}

packages=(build-essential pkg-config lld fuse3 e2fsprogs)
case $purpose in
  run) ;;
  test) packages+=(apache2-utils xfsprogs libnbd-bin libiscsi-bin qemu-utils fio libglib2.0-dev openssl zstd jq curl procps chromium nginx-light python3-venv python3-aiosmtpd) ;;
  bench) packages+=(libnbd-bin qemu-utils fio nbdkit tgt dpkg-dev libiscsi-dev libnbd-dev libaio-dev zlib1g-dev libiscsi-bin) ;;
  k8s) packages+=(etcd-server containerd runc containernetworking-plugins nftables busybox-static xfsprogs mariadb-server-core mariadb-client-core jq openssl procps iproute2 curl) ;;
  *) echo "usage: scripts/install.sh [run|test|bench|k8s]" >&2; exit 2 ;;
esac
# NodeSource's nodejs contains npm and conflicts with Debian's package of that name, so commands are asked for here.
if [ "$purpose" = test ]; then
  command -v node >/dev/null || packages+=(nodejs)
  command -v npm >/dev/null || packages+=(npm)
fi

# Debian's own Rust for wasm, for machines where rustup cannot download its target.
debian_wasm=(rustc-web cargo-web rust-web-src libstd-rust-web-dev lld)

missing_of() {
  local package
  for package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

install() {
  local missing as_root=()
  mapfile -t missing < <(missing_of "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "install: missing: ${missing[*]}. Neither root nor sudo; run as root: apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "install: ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 && return 0
  # The list of packages may be old or absent.
  "${apt[@]}" update
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
}

has_wasm_target() { [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/wasm32-unknown-unknown/lib" ]; }

install_wasm() {
  has_wasm_target && return 0
  [ -n "$(missing_of "${debian_wasm[@]}")" ] || return 0
  if command -v rustup >/dev/null; then
    echo "install: rustup's target wasm32-unknown-unknown"
    RUSTUP_MAX_RETRIES=1 timeout 300 rustup target add wasm32-unknown-unknown >/dev/null 2>&1 || true
    has_wasm_target && return 0
    echo "install: rustup cannot download it; taking Debian's Rust for wasm instead"
  fi
  install "${debian_wasm[@]}"
}

if ! command -v dpkg-query >/dev/null; then
  echo "install: this is no Debian; make sure that these are installed: ${packages[*]}" >&2
  exit 0
fi
install "${packages[@]}"
if ! command -v cargo >/dev/null; then
  echo "install: no cargo; install Rust from https://rustup.rs and start a new shell" >&2
  exit 1
fi
RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-$(scripts/rust-toolchain.sh)}
if [ -n "$RUSTUP_TOOLCHAIN" ]; then export RUSTUP_TOOLCHAIN; else unset RUSTUP_TOOLCHAIN; fi
install_wasm
# Without them the tests that need them fail, and say so; everything else can go on.
if [ "$purpose" = test ]; then
  for tester in nbd-tester schemathesis s3-server csi-sanity azure-server; do
    "scripts/$tester.sh" "${CARGO_TARGET_DIR:-target}/tmp/$tester" || true
  done
fi
