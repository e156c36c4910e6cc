# One authority, and a certificate for each program: kubeconfig files NAME.kubeconfig in $CLUSTER_DIR.

# certificate NAME SUBJECT [EXTENSIONS]
certificate() {
  local name=$1 subject=$2 extensions=${3:-extendedKeyUsage=clientAuth} pki=$CLUSTER_DIR/pki
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$subject" -keyout "$pki/$name.key" -out "$pki/$name.csr"
  openssl x509 -req -days 2 -in "$pki/$name.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial \
    -extfile <(echo "$extensions") -out "$pki/$name.crt"
}

# kubeconfig NAME: of the certificate of this name.
kubeconfig() {
  local pki=$CLUSTER_DIR/pki
  cat >"$CLUSTER_DIR/$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
current-context: it
clusters:
  - name: it
    cluster: {server: "https://127.0.0.1:443", certificate-authority: $pki/ca.crt}
users:
  - name: it
    user: {client-certificate: $pki/$1.crt, client-key: $pki/$1.key}
contexts:
  - name: it
    context: {cluster: it, user: it}
YAML
}

make_certificates() {
  local pki=$CLUSTER_DIR/pki name
  {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=cluster-of-the-tests -keyout "$pki/ca.key" -out "$pki/ca.crt"
    # 10.0.2.2 is this machine, seen from a guest of QEMU.
    certificate apiserver /CN=kube-apiserver "subjectAltName=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$NODE_ADDRESS,IP:$SERVICE_ADDRESS,IP:10.0.2.2"
    certificate apiserver-kubelet /O=system:masters/CN=apiserver-kubelet
    certificate admin /O=system:masters/CN=admin
    certificate controller-manager /CN=system:kube-controller-manager
    certificate scheduler /CN=system:kube-scheduler
    certificate kube-proxy /CN=system:kube-proxy
    certificate "$NODE_NAME" "/O=system:nodes/CN=system:node:$NODE_NAME"
    openssl genrsa -out "$pki/accounts.key" 2048
  } >"$CLUSTER_DIR/log/certificates.log" 2>&1 || { cat "$CLUSTER_DIR/log/certificates.log" >&2; return 1; }
  for name in admin controller-manager scheduler kube-proxy "$NODE_NAME"; do kubeconfig "$name"; done
}
