"""`make setup` and an environment that exists."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tools.documents import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with an environment that `make setup` considers complete."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/dev.txt").touch()
    venv.create(tmp_path / ".venv", symlinks=True)
    (tmp_path / ".venv/dev.stamp").touch()
    return tmp_path


def setup(checkout: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")}
    command = ["make", "--no-print-directory", "setup", *arguments]
    return subprocess.run(command, cwd=checkout, env={**kept, **environment}, capture_output=True, text=True)


def test_another_python_than_that_of_the_environment_is_refused(checkout: Path) -> None:
    other = checkout / "python3.99"
    other.write_text("#!/bin/sh\necho 3.99\n")
    other.chmod(0o755)
    for done in (setup(checkout, f"PYTHON={other}"), setup(checkout, PYTHON=str(other))):
        assert done.returncode == 2
        ours = "{}.{}".format(*sys.version_info)
        said = f".venv has Python {ours}, and {other} is Python 3.99: to replace it, run rm -r .venv first\n"
        assert done.stderr.startswith(said)


def test_the_same_python_and_none_are_accepted(checkout: Path) -> None:
    for arguments in ([f"PYTHON={sys.executable}"], []):
        done = setup(checkout, *arguments)
        assert (done.returncode, done.stderr) == (0, "")


def test_an_environment_is_created_with_the_given_python_alone(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    done = setup(checkout, "PYTHON=/nowhere/python3.12")
    assert done.returncode == 2
    assert "/nowhere/python3.12" in done.stderr
    assert not (checkout / ".venv").exists()
