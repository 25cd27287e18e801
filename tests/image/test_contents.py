"""What the image is: size, labels, what is in it and what is not."""

import pytest

from tests.image.blackbox import docker, inspect

MEGABYTE = 10**6


def test_it_is_smaller_than_900_megabytes(image: str) -> None:
    assert inspect(image)["Size"] < 900 * MEGABYTE


def test_it_declares_both_capabilities_to_sagemaker(image: str) -> None:
    labels = inspect(image)["Config"]["Labels"]
    assert labels["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert labels["com.amazonaws.sagemaker.capabilities.multi-models"] == "true"


@pytest.mark.parametrize("tool", ["gcc", "g++", "cc", "c++", "clang", "ld", "as", "make"])
def test_it_holds_no_tool_that_builds(image: str, tool: str) -> None:
    assert docker("run", "--rm", image, "sh", "-c", "command -v sh").returncode == 0
    assert docker("run", "--rm", image, "sh", "-c", f"command -v {tool}").stdout == ""


def test_it_holds_the_program_and_no_more(image: str) -> None:
    listed = docker("run", "--rm", image, "ls", "/opt/program").stdout.split()
    assert listed == ["LICENSE", "container", "kmeans", "serve", "train"]
