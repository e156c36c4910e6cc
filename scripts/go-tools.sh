#!/usr/bin/env bash
# Builds programs written in Go as e2e/MODULE/go.mod pins them (its `tool` lines), in the directory given:
# `go-tools.sh MODULE DIRECTORY PROGRAM…`. Prints nothing and does nothing, quickly, when they are there already in that version.
# GO_LDFLAGS are added to the linker's, GO_BUILD_JOBS bounds how much is compiled at once.
set -euo pipefail
module=$(realpath "$(dirname "$0")/../e2e/${1:?usage: scripts/go-tools.sh MODULE DIRECTORY PROGRAM…}")
where=${2:?usage: scripts/go-tools.sh MODULE DIRECTORY PROGRAM…}
shift 2
mkdir -p "$where"
where=$(realpath "$where")
exec 9>"$where/lock"
flock 9

# What is there is of another version when the pins, or a program of the module's own, have changed.
pins=$(find "$module" -name go.mod -o -name '*.go' | LC_ALL=C sort | xargs cat)
if [ "$pins" != "$(cat "$where/pins" 2>/dev/null)" ]; then
  find "$where" -maxdepth 1 -type f -perm -u+x -delete
  printf '%s\n' "$pins" >"$where/pins"
fi
missing=()
for program in "$@"; do
  [ -x "$where/$program" ] || missing+=("$program")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v go >/dev/null; then
  echo "${missing[*]}: no go (1.21 or later; it fetches the version it needs); install it from https://go.dev/dl" >&2
  exit 1
fi
cd "$module"
jobs=()
[ -z "${GO_BUILD_JOBS:-}" ] || jobs=(-p "$GO_BUILD_JOBS")
for program in "${missing[@]}"; do
  # The path of a tool ends with its name, perhaps with a major version behind it.
  package=$(go list tool | grep -E "/$program(/v[0-9]+)?$")
  go build "${jobs[@]}" -buildvcs=false -trimpath -ldflags="-s -w ${GO_LDFLAGS:-}" -o "$where/.$program" "$package" >&2
  # Under its name only when it is whole.
  mv "$where/.$program" "$where/$program"
done
