#!/usr/bin/env bash
# The dashboard in a browser, over a manager whose store has VOLUMES volumes that change all the time (server/tests/load.rs).
# What is measured: e2e/browser/bench.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo run --locked --quiet -p aurochs-ui-pack
binary=$(cargo test --locked --release -p aurochs-server --test load --no-run --message-format=json |
  jq -r 'select(.executable != null and .target.name == "load").executable')
log=$(mktemp)
# The program itself and no cargo around it: it ends with this script.
(cd server && CARGO_MANIFEST_DIR=$PWD AUROCHS_LOAD_VOLUMES=${VOLUMES:-10000} exec "$binary" --ignored --exact serves_a_browser --nocapture) > "$log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; rm -f "$log"' EXIT
until address=$(grep -o 'http://[0-9.:]*/' "$log"); do
  kill -0 $server 2>/dev/null || { cat "$log"; exit 1; }
  sleep 1
done
cd e2e/browser
[ node_modules -nt package-lock.json ] || npm ci --no-progress --silent
AUROCHS_BENCH_URL=$address AUROCHS_BENCH_USER=$(sed -n 's/^user: //p' "$log") AUROCHS_BENCH_PASSWORD=$(sed -n 's/^password: //p' "$log") \
  AUROCHS_BENCH_MINUTES=${MINUTES:-3} npx --no-install playwright test --config bench.config.js
