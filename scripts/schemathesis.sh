#!/usr/bin/env bash
# Makes a Python environment with schemathesis, which tests an API by its description, in the directory given: the
# versions and checksums of e2e/schemathesis/requirements.txt. Prints nothing and does nothing, quickly, when it is there
# already.
set -euo pipefail
where=${1:?usage: scripts/schemathesis.sh DIRECTORY}
lock=$(realpath "$(dirname "$0")/../e2e/schemathesis/requirements.txt")
mkdir -p "$where"
where=$(realpath "$where")
exec 9>"$where/lock"
flock 9
# Its presence says that all is there, and its content which versions.
cmp -s "$lock" "$where/installed.txt" && exit 0

rm -rf "$where/env" "$where/installed.txt"
python3 -m venv "$where/env"
"$where/env/bin/pip" install --quiet --disable-pip-version-check --no-input --only-binary :all: --require-hashes -r "$lock"
cp "$lock" "$where/installed.txt"
