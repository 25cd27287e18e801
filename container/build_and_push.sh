#!/usr/bin/env bash
# Build the image for amd64 and arm64, and push it to ECR: build_and_push.sh [--dry-run] IMAGE [REGION]
# IMAGE is the name of the repository, with or without a tag; -arm64 is appended for arm64, which is Graviton.
# --dry-run prints the commands, and needs neither docker nor aws. PLATFORMS=linux/amd64 builds for this platform only.
set -euo pipefail

usage() { echo "usage: $0 [--dry-run] IMAGE [REGION]" >&2; exit 2; }
fail() { echo "$0: $1" >&2; exit 1; }

dry_run=
if [[ ${1:-} == --dry-run ]]; then dry_run=1; shift; fi
[[ $# -eq 1 || $# -eq 2 ]] || usage
image=$1
[[ $image =~ ^[a-z0-9]([a-z0-9._/-]*[a-z0-9])?(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$ ]] ||
  fail "expected a name in lower case, with or without a tag, got '$image'"
[[ $image == *:* ]] || image+=:latest
repository=${image%:*}
platforms=${PLATFORMS:-linux/amd64,linux/arm64}
context=$(cd "$(dirname "$0")/.." && pwd)

if [[ ! $dry_run ]]; then
  for tool in aws docker; do
    command -v "$tool" >/dev/null || fail "expected $tool on PATH, found none"
  done
  docker buildx version >/dev/null 2>&1 || fail "expected docker with buildx, which builds for other platforms"
fi

region=${2:-${AWS_REGION:-${AWS_DEFAULT_REGION:-$(! command -v aws >/dev/null || aws configure get region || true)}}}
[[ $region =~ ^[a-z]{2,4}(-[a-z]+)+-[0-9]+$ ]] ||
  fail "expected a region such as eu-west-1, got '$region': give it as second argument"
domain=amazonaws.com
[[ $region != cn-* ]] || domain=amazonaws.com.cn

if [[ $dry_run ]]; then
  account=ACCOUNT
else
  account=$(aws sts get-caller-identity --query Account --output text) || fail "expected AWS credentials, got none"
fi
registry=$account.dkr.ecr.$region.$domain

uris=
run() {
  if [[ $dry_run ]]; then echo "$*"; else "$@"; fi
}

if [[ $dry_run ]] || ! aws ecr describe-repositories --region "$region" --repository-names "$repository" >/dev/null 2>&1; then
  run aws ecr create-repository --region "$region" --repository-name "$repository"
fi
if [[ $dry_run ]]; then
  echo "aws ecr get-login-password --region $region | docker login --username AWS --password-stdin $registry"
else
  aws ecr get-login-password --region "$region" | docker login --username AWS --password-stdin "$registry"
fi
# SageMaker rejects an index, of platforms or of attestations, and the media types of OCI: each platform is an image of
# its own, with Docker's media types.
for platform in ${platforms//,/ }; do
  uri=$registry/$image
  [[ $platform == linux/amd64 ]] || uri+=-${platform##*/}
  run docker buildx build --platform "$platform" --provenance=false \
    --output "type=image,name=$uri,push=true,oci-mediatypes=false" "$context"
  # The URI of the first platform is printed last.
  uris=$uri${uris:+$'\n'$uris}
done
echo "$uris"
