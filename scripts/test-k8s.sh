#!/usr/bin/env bash
# The tests of the chart, and those that need a real Kubernetes API server. Each starts one of its own, with an etcd of its own, on
# 127.0.0.1. Every part runs even if one before it failed, except where it could only fail for the same reason.
set -uo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export AUROCHS_K8S_TOOLS=$target/k8s-tools
# The same selection of packages as in scripts/test.sh: with another one cargo builds dependencies again.
everything=(--workspace --locked)
code=0
scripts/chart.sh || code=1
scripts/k8s-tools.sh "$AUROCHS_K8S_TOOLS" kube-apiserver kubectl || exit 1
cargo build "${everything[@]}" --bins || exit 1
# One after the other: a control plane needs a processor and 400 MiB.
cargo test "${everything[@]}" --no-fail-fast --lib -- --ignored --test-threads=1 || code=1
cargo test "${everything[@]}" --no-fail-fast --test cluster -- --ignored --test-threads=1 || code=1
exit $code
