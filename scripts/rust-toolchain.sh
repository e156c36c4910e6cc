#!/usr/bin/env bash
# Prints the name of the Rust toolchain to use instead of rust-toolchain.toml's, and nothing where that one works.
# rustup refuses every command while something that the file names is missing and cannot be downloaded, even a target
# that is not needed for the command. A closed network must not stop a machine that has all it needs.
set -uo pipefail
cd "$(dirname "$0")/.."

say() { echo "rust: $*" >&2; }

if ! command -v rustup >/dev/null; then
  command -v cargo >/dev/null || say "neither rustup nor cargo found; install rustup from https://rustup.rs"
  exit 0
fi
cargo --version >/dev/null 2>&1 && exit 0

wanted=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
say "installing toolchain $wanted"
RUST_BACKTRACE=0 RUSTUP_MAX_RETRIES=1 rustup toolchain install "$wanted" --profile minimal --component clippy --component rustfmt \
  --no-self-update >&2 2>&1 || true
for name in "$wanted" stable; do
  if RUSTUP_AUTO_INSTALL=0 RUSTUP_TOOLCHAIN=$name cargo --version >/dev/null 2>&1; then
    say "using the installed $name, without what rust-toolchain.toml adds to it"
    echo "$name"
    exit 0
  fi
done
say "toolchain $wanted is not installed and cannot be downloaded; \`rustup toolchain install $wanted\` says why"
