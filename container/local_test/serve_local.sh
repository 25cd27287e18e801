#!/usr/bin/env bash
# Serves the model that train_local.sh wrote, on port 8080 or $PORT, until it is interrupted: serve_local.sh IMAGE
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: $0 IMAGE" >&2; exit 2; }
command -v docker >/dev/null || { echo "$0: expected docker on PATH, found none" >&2; exit 1; }
model=${TEST_DIR:-$PWD/test_dir}/model
[[ -d $model ]] || { echo "$0: expected a model in $model; run train_local.sh first" >&2; exit 1; }
exec docker run --rm --user "$(id -u):$(id -g)" --read-only --tmpfs /tmp \
  --publish "${PORT:-8080}:8080" --volume "$model:/opt/ml/model:ro" "$1" serve
