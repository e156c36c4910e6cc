#!/usr/bin/env bash
# Makes programs of Kubernetes for the tests in the directory given: `k8s-tools.sh DIRECTORY [PROGRAM…]`, by default what a
# control plane needs. The first build takes some minutes on two cores; Go keeps what it compiled for the next one.
set -euo pipefail
where=${1:?usage: scripts/k8s-tools.sh DIRECTORY [PROGRAM…]}
shift
[ $# -gt 0 ] || set -- kube-apiserver kubectl
version=$(sed -n 's/^\t*k8s.io\/kubernetes \(v[^ ]*\).*/\1/p' "$(dirname "$0")/../e2e/k8s/go.mod" | head -n 1)
# Otherwise they call themselves v0.0.0, and clients take them for very old ones.
stamp=k8s.io/component-base/version
minor=${version#v1.}
export CGO_ENABLED=0 GO_BUILD_JOBS=${GO_BUILD_JOBS:-2}
export GO_LDFLAGS="-X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*} -X $stamp.gitTreeState=clean"
exec "$(dirname "$0")/go-tools.sh" k8s "$where" "$@"
