"""Programs under a Python that lacks packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.documents import ROOT

PROGRAMS = (
    ["train"],
    ["serve"],
    ["demo.py"],
    ["-m", "container.algorithm"],
    ["-m", "container.convert", "rows.csv", "out"],
    ["-m", "container.precompile"],
    ["-m", "container.resolve"],
)


def run(base: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python without its site, and so without the packages that were installed."""
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(base), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )


def job_in(base: Path, *hosts: str) -> None:
    config = base / "input/config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text('{"k": "2", "feature_dim": "2"}')
    (config / "inputdataconfig.json").write_text('{"train": {}}')
    names = ", ".join(f'"{host}"' for host in hosts)
    (config / "resourceconfig.json").write_text(f'{{"current_host": "{hosts[0]}", "hosts": [{names}]}}')


@pytest.mark.parametrize("program", PROGRAMS, ids=" ".join)
def test_a_program_names_a_package_that_is_missing_and_says_how_to_get_it(tmp_path: Path, program: list[str]) -> None:
    job_in(tmp_path, "algo-1")
    done = run(tmp_path, *program)
    assert done.returncode == 3, done.stderr
    output = done.stdout + done.stderr
    assert "Platform Error: expected the package " in output
    assert f", which {sys.executable} does not have. `make setup` makes an environment" in output
    assert f".venv/bin/python -S {' '.join(program)}" in output
    assert "Traceback" not in output
    assert "bug" not in output


@pytest.mark.parametrize("start", ["runpy.run_path('serve'", "runpy.run_module('container.convert'"])
def test_a_missing_package_is_noticed_before_it_is_used(tmp_path: Path, start: str) -> None:
    code = f"import runpy, sys; sys.modules['pyarrow'] = None; {start}, run_name='__main__')"
    done = run(tmp_path, "-c", code, PYTHONPATH=os.pathsep.join(sys.path))
    assert done.returncode == 3
    assert done.stderr.startswith("Platform Error: expected the package pyarrow, which ")


@pytest.mark.parametrize("hosts", [["algo-1"], ["algo-1", "algo-2"]])
def test_a_job_replaces_the_reason_of_an_earlier_one(tmp_path: Path, hosts: list[str]) -> None:
    job_in(tmp_path, *hosts)
    (tmp_path / "output").mkdir()
    (tmp_path / "output/failure").write_text("Customer Error: of an earlier job")
    run(tmp_path, "train")
    reason = (tmp_path / "output/failure").read_text()
    # Of several hosts, each first looks at what its processor can do.
    package = "llvmlite" if hosts[1:] else "numpy"
    assert reason.startswith(f"Platform Error: expected the package {package}, which ")


def test_an_import_that_fails_within_our_own_packages_is_a_bug(tmp_path: Path) -> None:
    job_in(tmp_path, "algo-1")
    code = """
import sys
sys.modules["container.job.training"] = None
from container.job.main import main
from container.stopping import Stop
sys.exit(main(Stop()))
"""
    done = run(tmp_path, "-c", code, PYTHONPATH=os.pathsep.join(sys.path))
    assert done.returncode == 1
    assert "This is a bug; the log has the traceback." in (tmp_path / "output/failure").read_text()


@pytest.mark.parametrize("program", PROGRAMS, ids=" ".join)
def test_an_older_python_is_named_before_anything_is_loaded_that_it_cannot_run(
    tmp_path: Path, program: list[str]
) -> None:
    job_in(tmp_path, "algo-1")
    start = f"run_module({program[1]!r}" if program[0] == "-m" else f"run_path({program[0]!r}"
    code = f"import runpy, sys; sys.version_info = (3, 11, 3); runpy.{start}, run_name='__main__')"
    done = run(tmp_path, "-c", code)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Platform Error: expected Python 3.11.4 or newer, got ")
    assert "`make setup PYTHON=python3.12` makes an environment" in done.stderr
