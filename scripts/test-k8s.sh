#!/usr/bin/env bash
# The tests of the chart, and those that need a real Kubernetes API server. Each starts one of its own, with an etcd of its own, on
# 127.0.0.1.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export AUROCHS_K8S_TOOLS=$target/k8s-tools
scripts/chart.sh
scripts/k8s-tools.sh "$AUROCHS_K8S_TOOLS" kube-apiserver kubectl
# The same selection of packages as in scripts/test.sh: with another one cargo builds dependencies again.
everything=(--workspace --locked)
cargo build "${everything[@]}" --bins
# One after the other: a control plane needs a processor and 400 MiB.
cargo test "${everything[@]}" --lib -- --ignored --test-threads=1
cargo test "${everything[@]}" --test cluster -- --ignored --test-threads=1
