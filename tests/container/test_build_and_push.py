"""`build_and_push.sh`, with programs in place of aws and docker that record how they were called."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "container/build_and_push.sh"
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
AWS = """#!/bin/sh
echo "aws $*" >> "$CALLS"
case "$*" in
  "sts get-caller-identity"*) echo 123456789012 ;;
  "ecr describe-repositories"*) exit "${DESCRIBE_EXIT:-0}" ;;
  "ecr get-login-password"*) echo secret ;;
  "configure get region") echo eu-central-1 ;;
esac
"""
DOCKER = """#!/bin/sh
echo "docker $*" >> "$CALLS"
case "$*" in *--password-stdin*) echo "password $(cat)" >> "$CALLS" ;; esac
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, text in (("aws", AWS), ("docker", DOCKER)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def call(tools: Path, *arguments: str, **environment: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script; return what it did and how it called the tools."""
    calls = tools / "calls"
    calls.write_text("")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        ["bash", SCRIPT, *arguments],
        env={**kept, "PATH": f"{tools}:/usr/bin:/bin", "CALLS": str(calls), **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done, calls.read_text().splitlines()


def test_it_logs_in_builds_for_both_architectures_and_pushes(tools: Path) -> None:
    done, calls = call(tools, "kmeans:1.0", "eu-west-1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{REGISTRY}/kmeans:1.0"
    assert "password secret" in calls
    assert not any("create-repository" in line for line in calls)
    builds = [line for line in calls if "buildx build" in line]
    for build, (platform, name) in zip(builds, (("amd64", "kmeans:1.0"), ("arm64", "kmeans:1.0-arm64")), strict=True):
        assert build == (
            f"docker buildx build --platform linux/{platform} --provenance=false "
            f"--output type=image,name={REGISTRY}/{name},push=true,oci-mediatypes=false {ROOT}"
        )


def test_it_creates_a_repository_that_does_not_exist(tools: Path) -> None:
    done, calls = call(tools, "kmeans", "cn-north-1", DESCRIBE_EXIT="254", PLATFORMS="linux/arm64")
    assert done.returncode == 0, done.stderr
    assert "aws ecr create-repository --region cn-north-1 --repository-name kmeans" in calls
    assert done.stdout.splitlines()[-1] == "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/kmeans:latest-arm64"
    assert "--platform linux/arm64 " in calls[-1]


def test_a_dry_run_prints_the_commands_and_calls_no_tool(tools: Path) -> None:
    done, calls = call(tools, "--dry-run", "kmeans", "eu-west-1")
    assert done.returncode == 0, done.stderr
    assert [line.split()[:3] for line in done.stdout.splitlines()[:4]] == [
        ["aws", "ecr", "create-repository"],
        ["aws", "ecr", "get-login-password"],
        ["docker", "buildx", "build"],
        ["docker", "buildx", "build"],
    ]
    assert calls == []


def test_without_a_region_the_configured_one_is_used(tools: Path) -> None:
    done, _ = call(tools, "--dry-run", "kmeans")
    assert "ACCOUNT.dkr.ecr.eu-central-1.amazonaws.com/kmeans:latest" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "usage:"),
        (("a", "b", "c"), "usage:"),
        (("Upper",), "expected a name in lower case"),
        (("kmeans; rm", "eu-west-1"), "expected a name in lower case"),
        (("kmeans", "nowhere"), "expected a region"),
    ],
)
def test_wrong_arguments_are_named(tools: Path, arguments: tuple[str, ...], said: str) -> None:
    done, calls = call(tools, *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert not any("push" in line for line in calls)


@pytest.mark.parametrize("missing", ["aws", "docker"])
def test_a_missing_tool_is_named(tools: Path, missing: str) -> None:
    (tools / missing).unlink()
    link_shell(tools)
    done, _ = call(tools, "kmeans", "eu-west-1", PATH=str(tools))
    assert done.returncode == 1
    assert f"expected {missing} on PATH, found none" in done.stderr


def test_a_dry_run_needs_no_tool(tools: Path) -> None:
    (tools / "aws").unlink()
    (tools / "docker").unlink()
    link_shell(tools)
    done, _ = call(tools, "--dry-run", "kmeans", "eu-west-1", PATH=str(tools))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "ACCOUNT.dkr.ecr.eu-west-1.amazonaws.com/kmeans:latest"
    done, _ = call(tools, "--dry-run", "kmeans", PATH=str(tools))
    assert done.returncode == 1
    assert done.stderr.endswith("expected a region such as eu-west-1, got '': give it as second argument\n")


def link_shell(tools: Path) -> None:
    """Provide the programs of the system that the script runs, and no others."""
    for name in ("bash", "dirname"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
