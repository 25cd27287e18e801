"""What `pip install .` installs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from kmeans import __version__
from tests.requirement import missing
from tools.documents import ROOT

Run = Callable[..., str]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("hatchling") is None:
        missing("hatchling is not installed; `make setup` installs it")
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--ignore-installed", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-index", "--no-build-isolation", "--no-deps", "--no-compile"]
    subprocess.run([*pip, *offline, "--prefix", folder, ROOT], check=True)
    return folder


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Return a function that runs a command with the installed packages, and returns its output."""
    (packages,) = installed.glob("lib/python*/site-packages")

    def run(*command: str | Path, **environment: str) -> str:
        variables = {**os.environ, "PYTHONPATH": str(packages), **environment}
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_every_file_of_the_packages_is_installed(installed: Path) -> None:
    (packages,) = installed.glob("lib/python*/site-packages")
    there = {str(file.relative_to(packages)) for file in packages.rglob("*") if file.is_file()}
    committed = subprocess.run(["git", "ls-files", "kmeans", "container"], cwd=ROOT, capture_output=True, text=True)
    expected = {
        name
        for name in committed.stdout.split()
        if not name.endswith(".sh") and not name.startswith("container/local_test/")
    }
    assert {name for name in there if ".dist-info/" not in name} == expected


@pytest.mark.parametrize("program", ["train", "serve"])
def test_the_programs_run(installed: Path, run: Run, program: str) -> None:
    assert run(installed / "bin" / program, "--version") == f"sagemaker-kmeans {__version__}\n"


def test_the_commands_run(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((3, 2), np.float32))
    assert "3 rows of 2 features" in run(sys.executable, "-m", "container.convert", "rows.npy", "records")
    assert run(sys.executable, "-m", "container.resolve", "--help").startswith("usage: python -m container.resolve")
    image = ["--image", "111122223333.dkr.ecr.eu-west-1.amazonaws.com/kmeans:1.0"]
    role = ["--role", "arn:aws:iam::111122223333:role/SageMakerRole"]
    assert json.loads(run(sys.executable, "-m", "container.algorithm", *role, *image))


def test_the_algorithm_is_a_package_of_its_own(run: Run, installed: Path) -> None:
    assert run(sys.executable, "-c", "import kmeans; print(kmeans.__file__)").startswith(str(installed))
