#!/usr/bin/env bash
# Makes helm in the directory given.
export CGO_ENABLED=0
exec "$(dirname "$0")/go-tools.sh" helm "${1:?usage: scripts/helm.sh DIRECTORY}" helm
