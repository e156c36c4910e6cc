#!/usr/bin/env bash
# Builds programs of Kubernetes for the tests, as e2e/k8s pins them, in the directory given: `k8s-tools.sh DIRECTORY
# [PROGRAM…]`, by default what a control plane needs. Prints nothing and does nothing, quickly, when they are there already.
# The first build takes some minutes on two cores; Go keeps what it compiled for the next one.
set -euo pipefail
where=${1:?usage: scripts/k8s-tools.sh DIRECTORY [PROGRAM…]}
shift
programs=("$@")
[ ${#programs[@]} -gt 0 ] || programs=(kube-apiserver kubectl)
module=$(dirname "$(realpath "$0")")/../e2e/k8s
mkdir -p "$where"
where=$(realpath "$where")
exec 9>"$where/lock"
flock 9

# What is there is of another version when the pins have changed.
if ! cmp -s "$module/go.mod" "$where/go.mod"; then
  find "$where" -maxdepth 1 -type f -perm -u+x -delete
  cp "$module/go.mod" "$where/go.mod"
fi
missing=()
for program in "${programs[@]}"; do
  [ -x "$where/$program" ] || missing+=("$program")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v go >/dev/null; then
  echo "k8s-tools: no go (1.21 or later; it fetches the version it needs); install it from https://go.dev/dl" >&2
  exit 1
fi
cd "$module"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
# Otherwise they call themselves v0.0.0, and clients take them for very old ones.
stamp=k8s.io/component-base/version
minor=${version#v1.}
flags="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*} -X $stamp.gitTreeState=clean"
for program in "${missing[@]}"; do
  # The path of a tool ends with its name, perhaps with a major version behind it.
  package=$(go list tool | grep -E "/$program(/v[0-9]+)?$")
  CGO_ENABLED=0 go build -p "${K8S_BUILD_JOBS:-2}" -buildvcs=false -trimpath -ldflags="$flags" -o "$where/.$program" "$package" >&2
  # Under its name only when it is whole.
  mv "$where/.$program" "$where/$program"
done
