#!/usr/bin/env bash
# Everything that has to pass, part by part; the first part that fails ends it and is named last.
set -uo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_PROGRESS_WHEN=never
times=""

part() {
  local name=$1 started=$SECONDS
  shift
  printf '\n=== %s\n' "$name"
  if ! "$@"; then
    printf '\n%s\n=== FAILED: %s (after %d s)\n' "$times" "$name" $((SECONDS - started))
    exit 1
  fi
  times+=$(printf '%6d s  %s' $((SECONDS - started)) "$name")$'\n'
}

browser_tests() {
  (cd e2e/browser && { [ -d node_modules ] || npm ci --no-audit --no-fund --loglevel=error; } && npx playwright test)
}

bin=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug
export AUROCHS_BIN_DIR=$bin

part "tools" scripts/install.sh test
part "formatting" cargo fmt --all --check
part "dashboard (wasm)" cargo run -q -p aurochs-ui-pack
part "lints" cargo clippy --workspace --all-targets -- -D warnings
part "build" cargo build -p aurochs-engine -p aurochs-server
part "unit, model and process tests" cargo test --workspace --exclude aurochs-e2e
part "main job and bad input on real block devices" cargo test -p aurochs-e2e
part "browser" browser_tests
printf '\n%s=== all passed in %d s\n' "$times" $SECONDS
