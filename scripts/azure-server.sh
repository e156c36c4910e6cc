#!/usr/bin/env bash
# Makes the Azure server of the tests, Azurite, from its npm package as e2e/azure pins it, in the directory given. Prints
# nothing and does nothing, quickly, when that version is there already.
set -euo pipefail
where=${1:?usage: scripts/azure-server.sh DIRECTORY}
module=$(dirname "$(realpath "$0")")/../e2e/azure
mkdir -p "$where"
where=$(realpath "$where")
exec 9>"$where/lock"
flock 9
cmp -s "$module/package-lock.json" "$where/installed.json" && exit 0

if ! command -v npm >/dev/null; then
  echo "azure-server: no npm; scripts/install.sh test installs it" >&2
  exit 1
fi
cp "$module/package.json" "$module/package-lock.json" "$where/"
cd "$where"
npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-progress --silent >&2
# Last: its presence says that all is there.
cp package-lock.json installed.json
