"""The size, the labels and the contents of the image."""

import pytest

from kmeans import __version__
from tools.containers import docker, inspect

MEGABYTE = 10**6


def test_it_is_smaller_than_900_megabytes(image: str) -> None:
    assert inspect(image)["Size"] < 900 * MEGABYTE


def test_it_declares_both_capabilities_to_sagemaker(image: str) -> None:
    labels = inspect(image)["Config"]["Labels"]
    assert labels["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert labels["com.amazonaws.sagemaker.capabilities.multi-models"] == "true"


def test_it_says_what_it_is(image: str) -> None:
    labels = inspect(image)["Config"]["Labels"]
    stated = {name: labels[f"org.opencontainers.image.{name}"] for name in ("title", "licenses", "version")}
    assert stated == {"title": "sagemaker-kmeans", "licenses": "Apache-2.0", "version": __version__}
    assert docker("run", "--rm", image, "train", "--version").stdout == f"sagemaker-kmeans {__version__}\n"


@pytest.mark.parametrize("tool", ["gcc", "g++", "cc", "c++", "clang", "ld", "as", "make"])
def test_it_holds_no_tool_that_builds(image: str, tool: str) -> None:
    assert docker("run", "--rm", image, "sh", "-c", "command -v sh").returncode == 0
    assert docker("run", "--rm", image, "sh", "-c", f"command -v {tool}").stdout == ""


def test_it_holds_the_program_and_no_more(image: str) -> None:
    listed = docker("run", "--rm", image, "ls", "/opt/program").stdout.split()
    assert listed == ["LICENSE", "container", "kmeans", "serve", "train"]


def test_it_holds_mpi_to_run_and_not_to_build(image: str) -> None:
    """Two processes on a read-only file system without a network add up their ranks."""
    program = (
        "from mpi4py import MPI; import sys; sys.stdout.write(f'{MPI.COMM_WORLD.allreduce(MPI.COMM_WORLD.rank + 1)} ')"
    )
    flags = ["--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none"]
    ran = docker("run", *flags, image, "mpiexec", "-launcher", "fork", "-n", "2", "python3", "-c", program)
    assert (ran.returncode, ran.stdout.split()) == (0, ["3", "3"]), ran.stderr
    found = docker("run", "--rm", image, "sh", "-c", "command -v hydra_pmi_proxy mpicc; ls /opt/venv/include").stdout
    assert found.split() == ["/opt/venv/bin/hydra_pmi_proxy"]


def test_it_makes_a_page_with_a_plot(image: str) -> None:
    program = "from container.report.page import PLOTLY; print(len(PLOTLY.read_bytes()))"
    made = docker("run", "--rm", image, "python3", "-c", program)
    assert made.returncode == 0, made.stderr
    assert int(made.stdout) > 1_000_000
