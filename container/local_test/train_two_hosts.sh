#!/usr/bin/env bash
# Trains on two hosts as SageMaker does, on this machine: train_two_hosts.sh IMAGE
# The sample next to this script is divided between the hosts, each of which has a tree in ./test_dir/two_hosts, or below
# $TEST_DIR. All files of input/ are written again in each run; the model is in algo-1/model.
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: $0 IMAGE" >&2; exit 2; }
command -v docker >/dev/null || { echo "$0: expected docker on PATH, found none" >&2; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose)
else
  echo "$0: expected 'docker compose' or docker-compose, found neither" >&2
  exit 1
fi
TREES=${TEST_DIR:-$PWD/test_dir}/two_hosts
IMAGE=$1
RUN_AS=$(id -u):$(id -g)
export TREES IMAGE RUN_AS

hosts=(algo-1 algo-2)
for i in "${!hosts[@]}"; do
  tree=$TREES/${hosts[i]}
  mkdir -p "$tree/input/config" "$tree/input/data/train" "$tree/model" "$tree/output/data"
  rm -f "$tree/output/failure" "$tree/model"/*
  cp "$here/sample/config/hyperparameters.json" "$here/two_hosts/inputdataconfig.json" "$tree/input/config/"
  echo "{\"current_host\": \"${hosts[i]}\", \"hosts\": [\"algo-1\", \"algo-2\"], \"network_interface_name\": \"eth0\"}" \
    >"$tree/input/config/resourceconfig.json"
  # Every second row; SageMaker would shard whole files.
  awk -v host="$i" 'NR % 2 == host' "$here/sample/data/rows.csv" >"$tree/input/data/train/rows-$i.csv"
done

compose+=(--file "$here/two_hosts/docker-compose.yml" --project-name kmeans-two-hosts)
trap '"${compose[@]}" down --timeout 120 >/dev/null 2>&1' EXIT
"${compose[@]}" up --timeout 120
for container in $("${compose[@]}" ps --all --quiet); do
  code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
  [[ $code -eq 0 ]] || exit "$code"
done
ls -l "$TREES/algo-1/model"
