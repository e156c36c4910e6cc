#!/usr/bin/env bash
# A real Kubernetes for the time of one command, on this machine, as root:
#
#   e2e/k8s/cluster.sh COMMAND…      control plane (etcd, API server, controller manager, scheduler, snapshot controller) and one
#                                    node (containerd, kubelet, kube-proxy) with the images of harness/images.sh
#
# COMMAND finds KUBECONFIG (an admin's), CLUSTER_DIR (certificates, logs, kubelet's directory), NODE_NAME, NODE_ADDRESS, and
# kubectl and the sidecars in its PATH. Its exit code is this script's. LOGS=DIRECTORY keeps the programs' logs there.
#
# The programs are those that e2e/k8s/go.mod pins (K8S_BIN, target/k8s-tools by default), and ours (AUROCHS_BIN_DIR, target/debug);
# etcd, containerd and runc are Debian's.
# Everything runs in its own namespaces of processes, mounts, network and host name, below one process whose death ends them
# all, however it comes; what is the machine's (cgroups, loop devices, a directory in /var/tmp) harness/clean_up.sh takes away.
# Several clusters don't meet.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
harness=$here/harness

if [ "${1:-}" != --inside ]; then
  [ $# -gt 0 ] || { sed -n '2,/^set/s/^# \?//p' "$0" | sed '$d' >&2; exit 2; }
  [ "$(id -u)" = 0 ] || { echo "cluster: has to be started as root: it makes namespaces and mounts" >&2; exit 1; }
  export K8S_BIN=${K8S_BIN:-$(realpath -m "$here/../../${CARGO_TARGET_DIR:-target}/k8s-tools")}
  export AUROCHS_BIN_DIR=${AUROCHS_BIN_DIR:-$(realpath -m "$here/../../${CARGO_TARGET_DIR:-target}/debug")}
  export PATH=$K8S_BIN:$PATH
  for program in etcd containerd ctr runc busybox jq openssl ip setpriv unshare losetup kubectl kubelet snapshot-controller \
    kube-apiserver kube-controller-manager kube-scheduler kube-proxy nft; do
    command -v "$program" >/dev/null || { echo "cluster: no $program (looked in $K8S_BIN and PATH)" >&2; exit 1; }
  done
  # Clusters whose clean-up died with them: nobody holds their lock any more.
  for directory in /var/tmp/aurochs-k8s.*; do
    [ -d "$directory" ] && flock --nonblock "$directory" "$harness/clean_up.sh" "$directory" </dev/null || true
  done
  directory=$(mktemp -d /var/tmp/aurochs-k8s.XXXXXX)
  mkdir "$directory"/{log,pki}
  # It begins when nobody holds its input open any more, and holds the lock until it is done.
  exec 7> >(exec setsid flock "$directory" "$harness/clean_up.sh" "$directory")
  cleaner=$!
  export CLUSTER_DIR=$directory LOGS=${LOGS:-}
  # Dies with this script, even when that is killed.
  setpriv --pdeathsig KILL unshare --fork --kill-child=KILL --pid --mount-proc --mount --net --uts --propagation private \
    "$0" --inside "$@" 7>&- &
  child=$!
  # unshare itself is deaf to signals; its child is process 1 inside.
  trap 'pkill -TERM -P $child || true' TERM INT HUP
  code=0
  # The first wait ends early when a signal comes.
  while wait "$child" || code=$?; kill -0 "$child" 2>/dev/null; do code=0; done
  [ -z "$LOGS" ] || { mkdir -p "$LOGS" && cp "$directory"/log/* "$LOGS"/ 2>/dev/null; } || true
  exec 7>&-
  wait "$cleaner" || code=1
  exit "$code"
fi
shift

# From here on in the new namespaces, as process 1: whatever is started below ends with it.
readlink /proc/self/ns/mnt >"$CLUSTER_DIR/namespace"
. "$harness/programs.sh"
. "$harness/network.sh"
. "$harness/certificates.sh"
. "$harness/control_plane.sh"
. "$harness/node.sh"
. "$harness/images.sh"
# A command that is told to end takes away what it has outside (loop devices); the cluster needs no goodbye.
command=
trap '[ -z "$command" ] && exit 143; kill -TERM "$command" 2>/dev/null || true' TERM INT HUP

make_network
make_certificates
prepare_node
start_containerd
# Beside the control plane's start, which mostly waits.
import_images >"$CLUSTER_DIR/log/images.log" 2>&1 &
images=$!
start_control_plane
wait "$images" || { cat "$CLUSTER_DIR/log/images.log" >&2; exit 1; }
start_kubelet
start_kube_proxy
start_snapshot_controller
export KUBECONFIG=$CLUSTER_DIR/admin.kubeconfig NODE_NAME NODE_ADDRESS
"$@" &
command=$!
code=0
while wait "$command" || code=$?; kill -0 "$command" 2>/dev/null; do code=0; done
[ "$code" = 0 ] || tell_dead_programs
exit "$code"
