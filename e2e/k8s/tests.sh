#!/usr/bin/env bash
# What runs on a cluster with a node: first what users do, several at a time since they mostly wait; then what is about
# the whole node; then volumes' lives while programs are killed.
#
#   e2e/k8s/cluster.sh e2e/k8s/tests.sh
set -uo pipefail
cd "$(dirname "$0")/../.."
code=0
cargo test --workspace --locked --test walkthroughs --no-fail-fast -- --ignored --test-threads=6 || code=1
cargo test --workspace --locked --test upkeep --no-fail-fast -- --ignored --test-threads=1 || code=1
cargo test --workspace --locked --test k8s_crashes -- --ignored --nocapture || code=1
exit $code
