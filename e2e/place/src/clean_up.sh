#!/bin/sh
# Ends an installation of the tests once nobody holds this program's standard input open any more: when its test ends, and when
# the test's process was killed. What the test started is killed, what it mounted unmounted, engines and replicas are stopped in
# their order, and the directory goes. Fails, and says why, when anything is left.
# Of the environment: DIRECTORY of the installation, and the program AUROCHS.
set -u
# Ctrl-C ends the tests, not what cleans up after them; what it says may have nobody who reads it.
trap '' HUP INT TERM PIPE
cat >/dev/null

data=$DIRECTORY/data
run=/run/aurochs-$(printf %s "$data" | sha256sum | cut -c 1-8)

unmount() {
  awk '{print $5}' /proc/self/mountinfo | tac | grep -E "$1" | while read -r at; do umount -l "$at"; done
}

# Those that have anything but the manager's data among their words: the driver, what it runs, csi-sanity, other mount namespaces.
pkill -KILL -f "$DIRECTORY(/[^d]|$)"
unmount "^$DIRECTORY/[^d]"
for volume in "$run"/*/volumes/*; do
  [ ! -e "/dev/mapper/${volume##*/}" ] || cryptsetup close "${volume##*/}"
done
if [ -d "$data" ]; then
  said=$("$AUROCHS" stop --data "$data" 2>&1) || echo "aurochs stop: $said" >&2
fi

# What did not end by itself.
tries=0
while pkill -KILL -f "$DIRECTORY|$run" && [ $tries -lt 100 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
unmount "^($DIRECTORY|$run)/"
rm -rf "$run"
[ -e "$DIRECTORY/keep" ] || rm -rf "$DIRECTORY"

left=$(pgrep -af "$DIRECTORY|$run"; [ -e "$DIRECTORY/keep" ] || ls -d "$DIRECTORY" 2>/dev/null; ls -d "$run" 2>/dev/null; grep -hsF "$run/" /sys/block/loop*/loop/backing_file)
[ -z "$left" ] || { echo "left of $DIRECTORY: $left" >&2; exit 1; }
