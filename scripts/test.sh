#!/usr/bin/env bash
# All tests, part by part. Every part runs even if one before it failed, except where it could only fail for the same
# reason. Ends with the durations, what went wrong in the parts that failed, and, last, their names; the exit code says
# whether any did. With the argument `kubernetes` the tests on a Kubernetes API server are the last part (scripts/test-k8s.sh).
set -uo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
export AUROCHS_BIN_DIR; AUROCHS_BIN_DIR=$(realpath -m "$target/debug")
summary=()
failed=()
# Parts write into a pipe; whoever looks on keeps the colours.
[ -t 1 ] && export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-always} FORCE_COLOR=${FORCE_COLOR:-1}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

part() {
  local name=$1 start=$SECONDS outcome=ok
  shift
  printf '\n== %s\n' "$name"
  "$@" 2>&1 | tee "$logs/$name" || { outcome=FAILED; failed+=("$name"); }
  summary+=("$(printf '%-16s %6d s  %s' "$name" $((SECONDS - start)) "$outcome")")
  [ "$outcome" = ok ]
}

# The lines of a part's log that say what failed: compiler errors, panics with their messages, misformatted places, and
# what the browser tests' reporter says. Bounded, so that a log that was cut from the top still has all of it.
what_failed() {
  sed 's/\x1b\[[0-9;]*m//g' "$logs/$1" | grep -E -A 20 '^(error(\[.*)?:|Diff in |failed: )|^thread .* panicked at' |
    grep -v -E '^( +[0-9]+: | +at /rustc/|stack backtrace:|$)' | cut -c 1-400 | head -n 60
}

report() {
  printf '\n'
  printf '%s\n' "${summary[@]}"
  [ ${#failed[@]} -eq 0 ] && exit 0
  for name in "${failed[@]}"; do
    printf '\n== what failed in %s\n' "$name"
    what_failed "$name"
  done
  printf '\nfailed: %s\n' "${failed[*]}"
  exit 1
}

# One selection of packages for all: with another one cargo joins features otherwise and builds dependencies again.
everything=(--workspace --locked)
e2e_tests=()
for file in e2e/tests/*.rs; do
  name=$(basename "$file" .rs)
  [ "$name" = api_properties ] || e2e_tests+=(--test "$name")
done

lint() { cargo clippy "${everything[@]}" --all-targets --quiet -- -D warnings; }
compile() { cargo build "${everything[@]}" --bins && cargo test "${everything[@]}" --no-run --quiet; }
# Random histories of all operations; `make soak` runs more.
export AUROCHS_HISTORIES=${AUROCHS_HISTORIES:-1000}
unit_tests() { scripts/run-suites.py --without e2e -- "${everything[@]}"; }
process_tests() { cargo test "${everything[@]}" "${e2e_tests[@]}" --no-fail-fast -- --test-threads=1; }
property_tests() { cargo test "${everything[@]}" --test api_properties; }
browser_tests() {
  (cd e2e/browser && { [ node_modules -nt package-lock.json ] || npm ci --no-progress --silent && touch node_modules; } &&
    npx --no-install playwright test)
}

part format cargo fmt --all --check
part dashboard cargo run --locked --quiet -p aurochs-ui-pack
part lint lint
part build compile || report
part tests unit_tests
part processes process_tests
part api-properties property_tests
part browser browser_tests
[ "${1:-}" != kubernetes ] || part kubernetes make --no-print-directory test-k8s
report
