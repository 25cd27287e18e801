#!/usr/bin/env bash
# Sends a file to the server of serve_local.sh and prints the response: predict.sh FILE [CONTENT_TYPE]
set -euo pipefail
[[ $# -eq 1 || $# -eq 2 ]] || { echo "usage: $0 FILE [CONTENT_TYPE]" >&2; exit 2; }
command -v curl >/dev/null || { echo "$0: expected curl on PATH, found none" >&2; exit 1; }
[[ -f $1 ]] || { echo "$0: expected a file, got '$1'" >&2; exit 1; }
server=http://localhost:${PORT:-8080}
# A server that has just been started needs a second or two.
curl --silent --fail --output /dev/null --retry 30 --retry-delay 1 --retry-all-errors "$server/ping" ||
  { echo "$0: expected a server that is ready on $server; see what serve_local.sh says" >&2; exit 1; }
exec curl --silent --show-error --fail-with-body --data-binary "@$1" --header "Content-Type: ${2:-text/csv}" \
  "$server/invocations"
