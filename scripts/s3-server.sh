#!/usr/bin/env bash
# Makes the S3 server of the tests, versitygw, from its Go module as e2e/s3 pins it, in the directory given. Prints nothing
# and does nothing, quickly, when that version is there already.
set -euo pipefail
where=${1:?usage: scripts/s3-server.sh DIRECTORY}
module=$(dirname "$(realpath "$0")")/../e2e/s3
mkdir -p "$where"
where=$(realpath "$where")
exec 9>"$where/lock"
flock 9
cmp -s "$module/go.mod" "$where/go.mod" && [ -x "$where/versitygw" ] && exit 0

if ! command -v go >/dev/null; then
  echo "s3-server: no go (1.21 or later; it fetches the version it needs); install it from https://go.dev/dl" >&2
  exit 1
fi
cd "$module"
go build -buildvcs=false -trimpath -ldflags='-s -w' -o "$where/versitygw" github.com/versity/versitygw/cmd/versitygw >&2
# Last: its presence says that all is there.
cp go.mod "$where/go.mod"
