#!/usr/bin/env bash
# A real Kubernetes for the time of one command, on this machine, as root:
#
#   e2e/k8s/cluster.sh COMMAND…      control plane (etcd, API server, controller manager, scheduler)
#
# COMMAND finds KUBECONFIG (an admin's), CLUSTER_DIR (certificates, logs) and kubectl in its environment. Its exit code is
# this script's. LOGS=DIRECTORY keeps the programs' logs there.
#
# The programs are those that e2e/k8s/go.mod pins (K8S_BIN, target/k8s-tools by default; etcd is Debian's). Everything runs in
# its own namespaces of processes, mounts, network and host name, below one process whose death ends them all, however it
# comes: no process, port, mount or interface is left, and several clusters don't meet. What can be left is a directory in
# /var/tmp, which the next start takes away.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
harness=$here/harness

if [ "${1:-}" != --inside ]; then
  [ $# -gt 0 ] || { sed -n '2,/^set/s/^# \?//p' "$0" | sed '$d' >&2; exit 2; }
  [ "$(id -u)" = 0 ] || { echo "cluster: has to be started as root: it makes namespaces and mounts" >&2; exit 1; }
  export K8S_BIN=${K8S_BIN:-$(realpath -m "$here/../../${CARGO_TARGET_DIR:-target}/k8s-tools")}
  export PATH=$K8S_BIN:$PATH
  for program in etcd kube-apiserver kube-controller-manager kube-scheduler kubectl openssl ip setpriv unshare; do
    command -v "$program" >/dev/null || { echo "cluster: no $program (looked in $K8S_BIN and PATH)" >&2; exit 1; }
  done
  # Directories of clusters that died: nobody holds their lock any more.
  for directory in /var/tmp/aurochs-k8s.*; do
    [ -d "$directory" ] && flock --nonblock "$directory" rm -rf "$directory" || true
  done
  directory=$(mktemp -d /var/tmp/aurochs-k8s.XXXXXX)
  exec 8<"$directory"
  flock 8
  export CLUSTER_DIR=$directory LOGS=${LOGS:-}
  # Dies with this script, even when that is killed.
  setpriv --pdeathsig KILL unshare --fork --kill-child=KILL --pid --mount-proc --mount --net --uts --propagation private \
    "$0" --inside "$@" 8<&- &
  child=$!
  # unshare itself is deaf to signals; its child is process 1 inside.
  trap 'pkill -TERM -P $child || true' TERM INT HUP
  code=0
  # The first wait ends early when a signal comes.
  while wait "$child" || code=$?; kill -0 "$child" 2>/dev/null; do code=0; done
  [ -z "$LOGS" ] || { mkdir -p "$LOGS" && cp "$directory"/log/* "$LOGS"/ 2>/dev/null; } || true
  rm -rf "$directory"
  exit "$code"
fi
shift

# From here on in the new namespaces, as process 1: whatever is started below ends with it.
. "$harness/programs.sh"
. "$harness/network.sh"
. "$harness/certificates.sh"
. "$harness/control_plane.sh"
mkdir -p "$CLUSTER_DIR/log" "$CLUSTER_DIR/pki"
# A command that is told to end takes away what it has outside (loop devices); the cluster needs no goodbye.
command=
trap '[ -z "$command" ] && exit 143; kill -TERM "$command" 2>/dev/null || true' TERM INT HUP

make_network
make_certificates
start_control_plane
export KUBECONFIG=$CLUSTER_DIR/admin.kubeconfig
"$@" &
command=$!
code=0
while wait "$command" || code=$?; kill -0 "$command" 2>/dev/null; do code=0; done
[ "$code" = 0 ] || tell_dead_programs
exit "$code"
