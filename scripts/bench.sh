#!/usr/bin/env bash
# A volume with 3 replicas, all on this machine: its speed beside the raw file on the same disk, in one run (fio on
# /dev/longhorn/<volume> and on a file next to the replicas, and the ratio), and the memory of its processes afterwards.
# Figures of one machine and one moment; the ratio is what can be compared. Needs root, fio, jq, curl. AUROCHS_BIN_DIR
# names the directory of the binaries.
set -euo pipefail
bin=${AUROCHS_BIN_DIR:-target/release}
seconds=${SECONDS_PER_JOB:-5}
size=${SIZE:-1Gi}
volume=bench-$$
port=$((20000 + RANDOM % 20000))
dir=$(mktemp -d /var/tmp/aurochs-bench-XXXXXX)

cleanup() {
  "$bin/aurochs" stop --data "$dir/data" >/dev/null 2>&1 || true
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT

"$bin/aurochs" serve --data "$dir/data" --nodes 3 --address "127.0.0.1:$port" >"$dir/out" 2>"$dir/log" &
until grep -q http:// "$dir/out" 2>/dev/null; do sleep 0.1; done
api() { curl -sSf -u "admin:$(cat "$dir/data/admin-password")" -H 'Content-Type: application/json' "$@"; }
base=http://127.0.0.1:$port/v1/volumes
state() { api "$base/$volume" | jq -r "$1"; }

api -X POST "$base" -d "{\"name\":\"$volume\",\"size\":\"$size\",\"numberOfReplicas\":3}" >/dev/null
until [ "$(state .state)" = detached ]; do sleep 0.2; done
api -X POST "$base/$volume?action=attach" -d '{"hostId":"node-1"}' >/dev/null
until [ "$(state '.controllers[0].endpoint // ""')" = "/dev/longhorn/$volume" ]; do sleep 0.2; done
truncate -s "${size%i}" "$dir/raw"

# $1 target, $2 job: read/write pattern, block size, queue depth. Prints IOPS.
measure() {
  read -r pattern block depth <<<"$2"
  fio --name=bench --filename="$1" --direct=1 --ioengine=libaio --rw="$pattern" --bs="$block" --iodepth="$depth" \
    --time_based --runtime="$seconds" --size="${size%i}" --randrepeat=1 --output-format=json 2>/dev/null |
    jq '.jobs[0] | (.read.iops + .write.iops)'
}

# Both sides are written once before anything is measured: first writes allocate.
for target in "$dir/raw" "/dev/longhorn/$volume"; do
  fio --name=fill --filename="$target" --direct=1 --ioengine=libaio --rw=write --bs=1M --iodepth=4 --size="${size%i}" >/dev/null
done

printf '%-28s %12s %12s %8s\n' "fio, 3 replicas, IOPS" "raw file" volume ratio
for job in "randwrite 4k 1" "randwrite 4k 16" "randread 4k 1" "randread 4k 16" "write 1M 4" "read 1M 4"; do
  raw=$(measure "$dir/raw" "$job")
  ours=$(measure "/dev/longhorn/$volume" "$job")
  awk -v job="$job" -v raw="$raw" -v ours="$ours" 'BEGIN { printf "%-28s %12.0f %12.0f %8.2f\n", job, raw, ours, ours / raw }'
done

# A process gives memory back when it has had nothing to do for 15 seconds.
sleep 30
echo
printf '%-28s %12s %12s %12s\n' "after 30 s idle, MiB" RSS "own (anon)" "from files"
for process in $(pgrep -f "^[^ ]*aurochs-engine (instance-manager .*$dir/|(engine|replica) .*$volume)"); do
  awk -v kind="$(tr '\0' '\n' <"/proc/$process/cmdline" | sed -n 2p)" '
    /^VmRSS/ { rss = $2 } /^RssAnon/ { own = $2 } /^RssFile/ { file = $2 }
    END { printf "%-28s %12.1f %12.1f %12.1f\n", kind, rss / 1024, own / 1024, file / 1024 }' "/proc/$process/status"
done
api -X POST "$base/$volume?action=detach" -d '{}' >/dev/null
until [ "$(state .state)" = detached ]; do sleep 0.2; done
