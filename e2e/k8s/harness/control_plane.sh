# etcd, API server, controller manager, scheduler; on loopback, but for the API server, which pods reach.

start_control_plane() {
  local pki=$CLUSTER_DIR/pki
  local seconds=60
  # Tests need no disk that remembers.
  start etcd etcd --name it --data-dir "$CLUSTER_DIR/etcd" --unsafe-no-fsync --logger zap \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster it=http://127.0.0.1:2380
  ready etcd "$seconds" curl -sf http://127.0.0.1:2379/health

  # Pods are told the address and the port of the service `kubernetes`, which nobody translates: it listens there.
  start kube-apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --bind-address 0.0.0.0 --advertise-address "$NODE_ADDRESS" --secure-port 443 \
    --service-cluster-ip-range 10.96.0.0/16 --authorization-mode Node,RBAC --allow-privileged=true \
    --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" --client-ca-file "$pki/ca.crt" \
    --kubelet-client-certificate "$pki/apiserver-kubelet.crt" --kubelet-client-key "$pki/apiserver-kubelet.key" \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$pki/accounts.key" \
    --service-account-signing-key-file "$pki/accounts.key" --profiling=false
  ready kube-apiserver "$seconds" kubectl --kubeconfig "$CLUSTER_DIR/admin.kubeconfig" get --raw /readyz

  start kube-controller-manager kube-controller-manager --kubeconfig "$CLUSTER_DIR/controller-manager.kubeconfig" --bind-address 127.0.0.1 \
    --leader-elect=false --use-service-account-credentials --service-account-private-key-file "$pki/accounts.key" --root-ca-file "$pki/ca.crt" \
    --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key"
  start kube-scheduler kube-scheduler --kubeconfig "$CLUSTER_DIR/scheduler.kubeconfig" --bind-address 127.0.0.1 --leader-elect=false
  # Pods need their namespace's account, which the controller manager makes.
  ready kube-controller-manager "$seconds" kubectl --kubeconfig "$CLUSTER_DIR/admin.kubeconfig" -n default get serviceaccount default
}

# Takes VolumeSnapshots; of the external-snapshotter, with its definitions.
start_snapshot_controller() {
  export KUBECONFIG=$CLUSTER_DIR/admin.kubeconfig
  kubectl apply --server-side -f "$K8S_BIN/snapshot-crds" >"$CLUSTER_DIR/log/snapshot-crds.log"
  kubectl wait --for=condition=Established --timeout=60s -f "$K8S_BIN/snapshot-crds" >>"$CLUSTER_DIR/log/snapshot-crds.log"
  start snapshot-controller snapshot-controller --kubeconfig "$CLUSTER_DIR/admin.kubeconfig"
}
