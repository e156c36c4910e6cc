#!/usr/bin/env bash
# Takes away what a cluster has of the machine's, once nobody holds this program's standard input open any more and the cluster's
# processes have ended: loop devices, cgroups, its directory. Fails, and says why, when anything is left.
#
#   clean_up.sh DIRECTORY
set -uo pipefail
# Ctrl-C ends the cluster, not what cleans up after it; what it says may have nobody who reads it.
trap '' HUP INT TERM PIPE
cat >/dev/null
directory=$1

# Everything of the cluster is in one mount namespace, whose name it left, and ends with the script. The namespace goes with the
# last of them: a moment later the files of loop devices in it have lost their directories.
namespace=$(cat "$directory/namespace" 2>/dev/null)
is_alive() { [ -n "$namespace" ] && find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/mnt' -lname "$namespace" 2>/dev/null | grep -q .; }
tries=300
while is_alive && [ $((tries -= 1)) -gt 0 ]; do sleep 0.1; done
sleep 0.3

# Those whose file was in a mount namespace that is gone: its path has no directory any more.
dead_loop_devices() {
  local file at
  for file in /sys/block/loop*/loop/backing_file; do
    at=$(cat "$file" 2>/dev/null) || continue
    [[ $at =~ ^/[^/]+$ && ! -e $at ]] && echo "/dev/$(basename "${file%/loop/backing_file}")"
  done
}
groups() { find /sys/fs/cgroup -maxdepth 2 -type d -name "$(basename "$directory")"; }

tries=100
while
  left=$(dead_loop_devices)
  for device in $left; do losetup -d "$device" 2>/dev/null; done
  for group in $(groups); do find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; done
  left+=$(groups)
  rm -rf "$directory" 2>/dev/null || left+=" $directory"
  [ -n "$left" ] && [ $((tries -= 1)) -gt 0 ]
do sleep 0.1; done
# Empty for all but a cluster that has mounted its own there, which it would lose.
ls -d /var/tmp/aurochs-k8s.* >/dev/null 2>&1 || rmdir /dev/longhorn /var/lib/aurochs /var/lib/longhorn 2>/dev/null
[ -z "$left" ] || { echo "left of the cluster: $left" >&2; exit 1; }
