# Starting programs and waiting until they are ready. Their output goes to $CLUSTER_DIR/log/NAME.log.

declare -A program_ids=()

# start NAME COMMAND…
start() {
  local name=$1
  shift
  "$@" </dev/null >"$CLUSTER_DIR/log/$name.log" 2>&1 &
  program_ids[$name]=$!
}

# ready NAME SECONDS COMMAND…: waits until COMMAND succeeds. There is nothing to wait on but asking: programs tell nobody
# that they are ready.
ready() {
  local name=$1 until=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "${program_ids[$name]}" 2>/dev/null; then
      echo "cluster: $name ended at its start:" >&2
      tail -n 20 "$CLUSTER_DIR/log/$name.log" >&2
      return 1
    fi
    if [ "$SECONDS" -ge "$until" ]; then
      echo "cluster: $name is not ready:" >&2
      tail -n 20 "$CLUSTER_DIR/log/$name.log" >&2
      return 1
    fi
    sleep 0.2
  done
}

# After a failure: whether a part of the cluster was its reason.
tell_dead_programs() {
  local name
  for name in "${!program_ids[@]}"; do
    kill -0 "${program_ids[$name]}" 2>/dev/null && continue
    echo "cluster: $name had ended:" >&2
    tail -n 20 "$CLUSTER_DIR/log/$name.log" >&2
  done
}
