#!/usr/bin/env bash
# Makes the S3 server of the tests, versitygw, in the directory given.
exec "$(dirname "$0")/go-tools.sh" s3 "${1:?usage: scripts/s3-server.sh DIRECTORY}" versitygw
