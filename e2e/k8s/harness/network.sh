# The network of the cluster's namespace: loopback, and an interface with an address that a node may have (kubelet refuses
# loopback addresses). Nothing outside can be reached.

NODE_NAME=node1
NODE_ADDRESS=10.10.0.1
SERVICE_ADDRESS=10.96.0.1

make_network() {
  hostname "$NODE_NAME"
  ip link set lo up
  ip address add "$SERVICE_ADDRESS/32" dev lo
  ip link add eth0 type veth peer name eth0-peer
  ip address add "$NODE_ADDRESS/24" dev eth0
  ip link set eth0-peer up
  ip link set eth0 up
  # Programs that look for the machine's address take that of the default route.
  ip route add default via 10.10.0.254 dev eth0
  printf '127.0.0.1 localhost\n%s %s\n' "$NODE_ADDRESS" "$NODE_NAME" >"$CLUSTER_DIR/hosts"
  mount --bind "$CLUSTER_DIR/hosts" /etc/hosts
}
