#!/bin/sh
# Takes away what a test has in a directory once nobody holds this program's standard input open any more: when the test ends, and
# when its process was killed. Processes that name the directory, or PLACES beside it, among their words are killed; all of it goes.
# Fails, and says why, when anything is left. Of the environment: DIRECTORY, and PLACES (words; may be empty).
set -u
# Ctrl-C ends the tests, not what cleans up after them; what it says may have nobody who reads it.
trap '' HUP INT TERM PIPE
cat >/dev/null

pattern=$DIRECTORY
for place in $PLACES; do pattern="$pattern|$place"; done
pattern="($pattern)(/|\$|[[:space:]])"
tries=0
while pkill -KILL -f "$pattern" && [ $tries -lt 100 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
# shellcheck disable=SC2086
rm -rf "$DIRECTORY" $PLACES
# shellcheck disable=SC2086
left=$(pgrep -af "$pattern"; ls -d "$DIRECTORY" $PLACES 2>/dev/null)
[ -z "$left" ] || { echo "left of $DIRECTORY: $left" >&2; exit 1; }
