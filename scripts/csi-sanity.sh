#!/usr/bin/env bash
# Makes csi-sanity, the Kubernetes project's tests of CSI drivers, from its Go module as e2e/csi pins it, in the directory
# given. Prints nothing and does nothing, quickly, when that version is there already.
set -euo pipefail
where=${1:?usage: scripts/csi-sanity.sh DIRECTORY}
module=$(dirname "$(realpath "$0")")/../e2e/csi
mkdir -p "$where"
where=$(realpath "$where")
exec 9>"$where/lock"
flock 9
cmp -s "$module/go.mod" "$where/go.mod" && [ -x "$where/csi-sanity" ] && exit 0

if ! command -v go >/dev/null; then
  echo "csi-sanity: no go (1.21 or later; it fetches the version it needs); install it from https://go.dev/dl" >&2
  exit 1
fi
cd "$module"
go build -buildvcs=false -trimpath -ldflags='-s -w' -o "$where/csi-sanity" github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity >&2
# Last: its presence says that all is there.
cp go.mod "$where/go.mod"
