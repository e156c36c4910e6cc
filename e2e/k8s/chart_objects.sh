#!/usr/bin/env bash
# Whether a real API server takes every object of the chart, and knows every field in them: the default rendering, and that
# of each file of values in deploy/tests. Kinds that other people's programs bring (ServiceMonitor, HTTPRoute, Route) are left
# out.
#
#   e2e/k8s/cluster.sh e2e/k8s/chart_objects.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=${CARGO_TARGET_DIR:-target}/tmp/helm
scripts/helm.sh "$tools"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HELM_CONFIG_HOME=$work/config HELM_CACHE_HOME=$work/cache HELM_DATA_HOME=$work/data

# Kinds before what is of these kinds.
if [ -s deploy/chart/files/crds.yaml ]; then
  kubectl apply --server-side -f deploy/chart/files/crds.yaml >/dev/null
  kubectl wait --for=condition=Established --timeout=60s -f deploy/chart/files/crds.yaml >/dev/null
fi
for namespace in longhorn-system storage shop bank; do kubectl create namespace "$namespace" >/dev/null; done

wrong=0
for values in /dev/null deploy/tests/*.values.yaml; do
  "$tools/helm" template longhorn deploy/chart --namespace longhorn-system --values "$values" >"$work/all.yaml"
  awk 'BEGIN { RS = "---\n"; ORS = "" }
    /[^[:space:]]/ && !/apiVersion: (monitoring.coreos.com|gateway.networking.k8s.io|route.openshift.io)\// && !/templates\/crds.yaml/ { print "---\n" $0 }' \
    "$work/all.yaml" >"$work/objects.yaml"
  if kubectl apply --dry-run=server --validate=strict -f "$work/objects.yaml" >"$work/log" 2>&1; then
    echo "chart objects: $(basename "$values" .values.yaml): $(wc -l <"$work/log") ok"
  else
    echo "chart objects: $values is not taken:" >&2
    grep -v '(server dry run)$' "$work/log" >&2
    wrong=1
  fi
done
exit "$wrong"
