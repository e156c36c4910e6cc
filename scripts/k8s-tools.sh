#!/usr/bin/env bash
# Makes programs of Kubernetes for the tests in the directory given: `k8s-tools.sh DIRECTORY [PROGRAM…]`, by default all that
# e2e/k8s/cluster.sh and the CSI driver need. The first build takes some minutes on two cores; Go keeps what it compiled for the
# next one.
set -euo pipefail
where=${1:?usage: scripts/k8s-tools.sh DIRECTORY [PROGRAM…]}
shift
scripts=$(dirname "$(realpath "$0")")
module=$scripts/../e2e/k8s
[ $# -gt 0 ] || set -- kube-apiserver kubectl kube-controller-manager kube-scheduler kube-proxy kubelet \
  csi-provisioner csi-attacher csi-snapshotter snapshot-controller csi-resizer registrar
version=$(sed -n 's/^\t*k8s.io\/kubernetes \(v[^ ]*\).*/\1/p' "$module/go.mod" | head -n 1)
# Otherwise they call themselves v0.0.0, and clients take them for very old ones.
stamp=k8s.io/component-base/version
minor=${version#v1.}
export CGO_ENABLED=0 GO_BUILD_JOBS=${GO_BUILD_JOBS:-2}
export GO_LDFLAGS="-X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*} -X $stamp.gitTreeState=clean"
"$scripts/go-tools.sh" k8s "$where" "$@"
# The definitions of snapshots belong to the snapshot controller, and to its version.
case " $* " in *' snapshot-controller '*)
  definitions=$(cd "$module" && go list -m -f '{{.Dir}}' github.com/kubernetes-csi/external-snapshotter/client/v8)/config/crd
  mkdir -p "$where/snapshot-crds"
  cp --no-preserve=mode "$definitions"/snapshot.storage.k8s.io_*.yaml "$where/snapshot-crds"
  ;;
esac
