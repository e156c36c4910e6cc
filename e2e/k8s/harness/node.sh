# This machine as a node: Debian's containerd and runc, kubelet, a bridge for pods. Everything they keep is below $CLUSTER_DIR
# or in memory; cgroups alone are the machine's, below one name.

# Below it kubelet makes those of the pods.
CGROUP=aurochs-k8s

# One directory for each hierarchy of cgroup v1, or the one of v2.
cgroup_directories() {
  local hierarchy
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    echo "/sys/fs/cgroup/$CGROUP"
    return
  fi
  for hierarchy in /sys/fs/cgroup/*/; do
    [ -e "$hierarchy/cgroup.procs" ] && echo "$hierarchy$CGROUP"
  done
}

# Takes away what a cluster left that died: its processes ended with it, its groups did not.
remove_cgroups() {
  local directory
  for directory in $(cgroup_directories); do
    [ -d "$directory" ] && find "$directory" -depth -type d -exec rmdir {} + 2>/dev/null
  done
  return 0
}

make_cgroups() {
  local directory file
  for directory in $(cgroup_directories); do
    mkdir -p "$directory"
    # A group of cpuset takes no process before it is told where that may run.
    for file in cpuset.cpus cpuset.mems; do
      [ -e "$directory/$file" ] && cat "$(dirname "$directory")/$file" >"$directory/$file"
    done
  done
  return 0
}

start_node() {
  local run=$CLUSTER_DIR/run pki=$CLUSTER_DIR/pki seconds=60
  # Mounts of the driver have to appear on "the node" (Bidirectional): that is this namespace, which shares with its own kind
  # only. Sockets, network namespaces and logs of the programs vanish with it.
  mount --make-rshared /
  mount -t tmpfs -o mode=755 run /run
  mount -t tmpfs -o mode=755 log /var/log
  mkdir -p "$run" "$CLUSTER_DIR/cni" "$CLUSTER_DIR/kubelet"
  remove_cgroups
  make_cgroups

  cat >"$CLUSTER_DIR/cni/10-bridge.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$CLUSTER_DIR/cni-addresses", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
  cat >"$CLUSTER_DIR/containerd.toml" <<TOML
version = 2
root = "$CLUSTER_DIR/containerd"
state = "$run/containerd"
[grpc]
  address = "$run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10"
  # Without CAP_SYS_RESOURCE no process may be made less likely to be killed.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$CLUSTER_DIR/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
TOML
  start containerd containerd --config "$CLUSTER_DIR/containerd.toml"
  ready containerd "$seconds" ctr --address "$run/containerd.sock" version

  cat >"$CLUSTER_DIR/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$run/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
# The machine's own disk may be as full as it likes.
evictionHard: {memory.available: 1Mi, nodefs.available: "0%", imagefs.available: "0%", nodefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
podCIDR: 10.244.0.0/24
YAML
  # Not at the usual place: whoever guesses it is found out.
  start kubelet kubelet --config "$CLUSTER_DIR/kubelet.yaml" --kubeconfig "$CLUSTER_DIR/$NODE_NAME.kubeconfig" \
    --root-dir "$CLUSTER_DIR/kubelet" --hostname-override "$NODE_NAME" --node-ip "$NODE_ADDRESS" --cert-dir "$pki/kubelet"
  ready kubelet "$seconds" kubectl --kubeconfig "$CLUSTER_DIR/admin.kubeconfig" wait --for=condition=Ready --timeout=1s "node/$NODE_NAME"
}
