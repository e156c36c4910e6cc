#!/usr/bin/env bash
# The tests of the chart; those that need a real Kubernetes API server, each with one of its own, on 127.0.0.1; and those that need
# a node too, all on one cluster (e2e/k8s/cluster.sh; as root). Every part runs even if one before it failed, except where it could
# only fail for the same reason. Logs of the cluster's programs are in target/k8s-logs.
set -uo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export AUROCHS_K8S_TOOLS=$target/k8s-tools
# The same selection of packages as in scripts/test.sh: with another one cargo builds dependencies again.
everything=(--workspace --locked)
code=0
scripts/chart.sh || code=1
scripts/k8s-tools.sh "$AUROCHS_K8S_TOOLS" || exit 1
cargo build "${everything[@]}" --bins || exit 1
# One after the other: a control plane needs a processor and 400 MiB.
cargo test "${everything[@]}" --no-fail-fast --lib -- --ignored --test-threads=1 || code=1
cargo test "${everything[@]}" --no-fail-fast --test cluster -- --ignored --test-threads=1 || code=1

cargo test "${everything[@]}" --no-run --test walkthroughs --test upkeep --test k8s_crashes || exit 1
K8S_BIN=$AUROCHS_K8S_TOOLS AUROCHS_BIN_DIR=$target/debug LOGS=$target/k8s-logs e2e/k8s/cluster.sh e2e/k8s/tests.sh || code=1
exit $code
