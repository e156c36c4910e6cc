# This machine as a node: Debian's containerd and runc, kubelet, kube-proxy, a bridge for pods. Everything they keep is below $CLUSTER_DIR
# or in memory; cgroups alone are the machine's, below the name of that directory.

CONTAINERD=/run/containerd.sock
# Of the machine's they are there without anything in them: clean_up.sh takes them away.
OWN_DIRECTORIES=(/dev/longhorn /var/lib/aurochs /var/lib/longhorn)

make_cgroups() {
  local hierarchy name directory file
  name=$(basename "$CLUSTER_DIR")
  # One directory for each hierarchy of cgroup v1, or the one of v2.
  for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*/; do
    [ -e "$hierarchy/cgroup.procs" ] || continue
    directory=$hierarchy/$name
    mkdir -p "$directory"
    # A group of cpuset takes no process before it is told where that may run.
    for file in cpuset.cpus cpuset.mems; do
      [ -e "$directory/$file" ] && cat "$hierarchy/$file" >"$directory/$file"
    done
    # With v2 no other hierarchy has groups of its own.
    [ "$hierarchy" != /sys/fs/cgroup ] || break
  done
  return 0
}

prepare_node() {
  # Mounts of the driver have to appear on "the node" (Bidirectional): that is this namespace, which shares with its own kind
  # only. Sockets, network namespaces, logs and the nodes of volumes vanish with it.
  mount --make-rshared /
  local at
  mkdir -p "${OWN_DIRECTORIES[@]}"
  for at in /run /var/log /dev/longhorn; do mount -t tmpfs -o mode=755 cluster "$at"; done
  # Of the product: its data and the default disk.
  for at in /var/lib/aurochs /var/lib/longhorn; do
    mkdir "$CLUSTER_DIR/$(basename "$at")"
    mount --bind "$CLUSTER_DIR/$(basename "$at")" "$at"
  done
  mkdir -p "$CLUSTER_DIR/cni" "$CLUSTER_DIR/kubelet"
  make_cgroups
}

start_containerd() {
  cat >"$CLUSTER_DIR/cni/10-bridge.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$CLUSTER_DIR/cni-addresses", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
  cat >"$CLUSTER_DIR/containerd.toml" <<TOML
version = 2
root = "$CLUSTER_DIR/containerd"
state = "/run/containerd"
[grpc]
  address = "$CONTAINERD"
[plugins."io.containerd.internal.v1.opt"]
  path = "$CLUSTER_DIR/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
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
  ready containerd 60 ctr --address "$CONTAINERD" version
}

start_kubelet() {
  local pki=$CLUSTER_DIR/pki
  cat >"$CLUSTER_DIR/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$CONTAINERD
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$(basename "$CLUSTER_DIR")
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
# The machine's own disk may be as full as it likes.
evictionHard: {memory.available: 1Mi, nodefs.available: "0%", imagefs.available: "0%", nodefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
podCIDR: 10.244.0.0/24
# Who was killed on purpose comes back at once, and the next time too.
featureGates: {KubeletCrashLoopBackOffMax: true}
crashLoopBackOff: {maxContainerRestartPeriod: 1s}
YAML
  # Not at the usual place: whoever guesses it is found out.
  start kubelet kubelet --config "$CLUSTER_DIR/kubelet.yaml" --kubeconfig "$CLUSTER_DIR/$NODE_NAME.kubeconfig" \
    --root-dir "$CLUSTER_DIR/kubelet" --hostname-override "$NODE_NAME" --node-ip "$NODE_ADDRESS" --cert-dir "$pki/kubelet"
  ready kubelet 60 kubectl --kubeconfig "$CLUSTER_DIR/admin.kubeconfig" wait --for=condition=Ready --timeout=1s "node/$NODE_NAME"
}

# Addresses of services lead to their pods, also from the node itself.
start_kube_proxy() {
  cat >"$CLUSTER_DIR/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
# Pods are behind one bridge: answers would not come by this way where bridges don't ask the firewall.
nftables: {masqueradeAll: true}
clientConnection: {kubeconfig: $CLUSTER_DIR/kube-proxy.kubeconfig}
clusterCIDR: 10.244.0.0/16
hostnameOverride: $NODE_NAME
# What the whole machine has of these stays as it is.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
YAML
  start kube-proxy kube-proxy --config "$CLUSTER_DIR/kube-proxy.yaml"
  ready kube-proxy 60 curl -sf http://127.0.0.1:10256/healthz
}
