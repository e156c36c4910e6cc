#!/usr/bin/env bash
# Makes helm from its Go module as e2e/helm pins it, in the directory given. Prints nothing and does nothing, quickly, when
# that version is there already.
set -euo pipefail
where=${1:?usage: scripts/helm.sh DIRECTORY}
module=$(dirname "$(realpath "$0")")/../e2e/helm
mkdir -p "$where"
where=$(realpath "$where")
exec 9>"$where/lock"
flock 9
cmp -s "$module/go.mod" "$where/go.mod" && [ -x "$where/helm" ] && exit 0

if ! command -v go >/dev/null; then
  echo "helm: no go (1.21 or later; it fetches the version it needs); install it from https://go.dev/dl" >&2
  exit 1
fi
cd "$module"
CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags='-s -w' -o "$where/helm" helm.sh/helm/v3/cmd/helm >&2
# Last: its presence says that all is there.
cp go.mod "$where/go.mod"
