#!/usr/bin/env bash
# Tests of the chart, without a cluster: helm's own lint; what it renders, for each file of values in deploy/tests, against
# what is checked in; values of wrong types are refused; keys in values, schema and lists are the same.
#
#   scripts/chart.sh            tests
#   scripts/chart.sh --update   writes what is checked in anew, to be looked at before it is committed
#
# deploy/tests/default.yaml is all that is rendered without any values (but for the CRDs); NAME.diff is what NAME.values.yaml
# changes in it, and NAME.notes in the notes. deploy/longhorn.yaml is the same for kubectl apply.
set -euo pipefail
cd "$(dirname "$0")/.."
update=
[ "${1:-}" = --update ] && update=yes
tools=${CARGO_TARGET_DIR:-target}/tmp/helm
scripts/helm.sh "$tools"
helm() { "$tools/helm" "$@"; }
# Built from its module, helm takes a very old Kubernetes for granted.
template() { helm template --kube-version 1.34.0 "$@"; }

chart=deploy/chart
tests=deploy/tests
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Nothing of this machine's own helm, and no cluster.
export LC_ALL=C HELM_CONFIG_HOME=$work/config HELM_CACHE_HOME=$work/cache HELM_DATA_HOME=$work/data KUBECONFIG=/dev/null
wrong=0
fail() {
  echo "failed: $*" >&2
  wrong=1
}

# Compares a file that is checked in with what it has to be, or writes it.
same() {
  local kept=$1 now=$2
  if [ "$update" ]; then
    cmp -s "$now" "$kept" || { cp "$now" "$kept" && echo "chart: wrote $kept"; }
  elif ! diff -u --label "$kept" --label now "$kept" "$now" >&2; then
    fail "$kept is not what it has to be (scripts/chart.sh --update)"
  fi
}

# The rendering of some values, without the CRDs, which have tests of their own.
render() {
  template longhorn "$chart" --namespace longhorn-system "$@" |
    awk 'BEGIN { RS = "---\n"; ORS = "" } /[^[:space:]]/ && !/# Source: longhorn\/templates\/crds.yaml/ { print "---\n" $0 }'
}

# What is told after installing. Helm tells it only to whom it can reach a cluster for, so it is asked for as an object.
notes() {
  if [ ! -d "$work/chart" ]; then
    cp -r "$chart" "$work/chart"
    echo '{{ dict "notes" (include "longhorn.notes" .) | toJson }}' >"$work/chart/templates/notes.yaml"
  fi
  template longhorn "$work/chart" --namespace longhorn-system --show-only templates/notes.yaml "$@" | sed -n '/^{/p' | jq -r .notes
}

# YAML as JSON, with helm as the reader.
json_of() {
  mkdir -p "$work/reader/templates"
  printf 'apiVersion: v2\nname: reader\nversion: 0.0.0\n' >"$work/reader/Chart.yaml"
  cp "$1" "$work/reader/it"
  echo '{{ .Files.Get "it" | fromYaml | toJson }}' >"$work/reader/templates/it.yaml"
  template reader "$work/reader" | sed -n '/^{/p'
}

helm lint --strict --quiet "$chart" || fail "helm lint"

# The schema is the list of all keys. Groups end with a dot.
jq -r 'def keys_of(at): .properties | to_entries[] | (at + .key) as $name
  | if .value.properties then "\($name).", (.value | keys_of("\($name).")) else $name end;
  keys_of("")' "$chart/values.schema.json" >"$work/keys"
same "$chart/files/keys.txt" "$work/keys"
json_of "$chart/values.yaml" >"$work/values.json"
jq -r --slurpfile schema "$chart/values.schema.json" '
  def keys_of($schema; at): to_entries[] | (at + .key) as $name
    | if $schema.properties[.key].properties then "\($name).", (.key as $key | .value | keys_of($schema.properties[$key]; "\($name)."))
      else $name end;
  keys_of($schema[0]; "")' "$work/values.json" | sort >"$work/in-values"
# Names that Longhorn has given up are in the schema alone.
jq -r 'paths(type == "object" and .deprecated == true) | map(select(. != "properties")) | join(".")' "$chart/values.schema.json" |
  sort | comm -13 - <(sort "$work/keys") | diff -u --label values.yaml "$work/in-values" --label values.schema.json - >&2 ||
  fail "values.yaml and values.schema.json have not the same keys"
json_of "$chart/files/without-effect.yaml" | jq --slurpfile values "$work/values.json" \
  'with_entries(.key as $key | .value = ($values[0] | getpath($key / ".")))' >"$work/defaults"
same "$chart/files/defaults.json" "$work/defaults"

# Every setting that the chart can give is one.
while read -r setting; do
  cut -f 1 server/src/settings/registry/longhorn.tsv | grep -qxF "$setting" || fail "files/settings.yaml: there is no setting $setting"
done < <(sed -n 's/^[A-Za-z0-9]*: //p' "$chart/files/settings.yaml")
json_of "$chart/files/settings.yaml" | jq -r 'keys[]' | sort >"$work/settings"
jq -r '.defaultSettings | keys[]' "$work/values.json" | sort | diff -u --label files/settings.yaml "$work/settings" --label values.yaml - >&2 ||
  fail "values.yaml and files/settings.yaml have not the same settings"

version=v$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
grep -qx "appVersion: $version" "$chart/Chart.yaml" || fail "Chart.yaml's appVersion is not $version"

render >"$work/default"
same "$tests/default.yaml" "$work/default"
notes >"$work/notes"
same "$tests/default.notes" "$work/notes"
for values in "$tests"/*.values.yaml; do
  name=$(basename "$values" .values.yaml)
  render --values "$values" >"$work/$name.yaml" || { fail "$name does not render" && continue; }
  diff -U 2 --label default --label "$name" "$work/default" "$work/$name.yaml" | sed 's/^\(@@\).*/\1/' >"$work/$name.diff" || true
  same "$tests/$name.diff" "$work/$name.diff"
  notes --values "$values" >"$work/$name.out" || fail "$name has no notes"
  diff -U 0 --label default --label "$name" "$work/notes" "$work/$name.out" | sed 's/^\(@@\).*/\1/' >"$work/$name.notes" || true
  if [ -s "$work/$name.notes" ] || [ -e "$tests/$name.notes" ]; then
    [ -e "$tests/$name.notes" ] || { [ "$update" ] && : >"$tests/$name.notes"; } || fail "$tests/$name.notes is missing"
    same "$tests/$name.notes" "$work/$name.notes"
  fi
done

while IFS='|' read -r line message; do
  case $line in '#'* | '') continue ;; esac
  read -ra arguments <<<"$line"
  # A schema names places with slashes or dots, as helm's version likes it.
  message=$(sed 's/^ *//; s/[.]/[.\/]/g' <<<"$message")
  if template longhorn "$chart" "${arguments[@]}" >/dev/null 2>"$work/refusal"; then
    fail "not refused: $line"
  elif ! grep -q "$message" "$work/refusal"; then
    fail "refused without a word of $message: $line: $(cat "$work/refusal")"
  fi
done <"$tests/refused.txt"

# For kubectl apply: no hooks, which only Helm would run, and nothing that says that Helm manages it.
{
  echo "# Made by scripts/chart.sh --update from deploy/chart: all that it makes without any values, for kubectl apply."
  printf -- '---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: longhorn-system\n'
  template longhorn "$chart" --namespace longhorn-system --no-hooks |
    sed '/^ *app.kubernetes.io\/managed-by: Helm$/d; /^ *helm.sh\/chart: /d; /^# Source: /d'
} >"$work/manifest"
same deploy/longhorn.yaml "$work/manifest"

[ "$wrong" = 0 ] && echo "chart: ok"
exit "$wrong"
