#!/usr/bin/env bash
# Makes csi-sanity, the Kubernetes project's tests of CSI drivers, in the directory given.
exec "$(dirname "$0")/go-tools.sh" csi "${1:?usage: scripts/csi-sanity.sh DIRECTORY}" csi-sanity
