#!/usr/bin/env bash
# Trains as SageMaker does, on this machine: train_local.sh IMAGE [DATA]
# DATA is a folder of files for the channel `train`; by default, the sample next to this script is used.
# The tree is created in ./test_dir, or in $TEST_DIR; its input/config may be edited between runs.
set -euo pipefail
[[ $# -eq 1 || $# -eq 2 ]] || { echo "usage: $0 IMAGE [DATA]" >&2; exit 2; }
command -v docker >/dev/null || { echo "$0: expected docker on PATH, found none" >&2; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
tree=${TEST_DIR:-$PWD/test_dir}
data=${2:-$here/sample/data}
[[ -d $data ]] || { echo "$0: expected a folder of data, got '$data'" >&2; exit 1; }

mkdir -p "$tree/input/data" "$tree/model" "$tree/output/data"
[[ -d $tree/input/config ]] || cp -R "$here/sample/config" "$tree/input/config"
docker run --rm --network none --user "$(id -u):$(id -g)" --read-only --tmpfs /tmp \
  --volume "$tree:/opt/ml" --volume "$(cd "$data" && pwd):/opt/ml/input/data/train:ro" "$1" train
