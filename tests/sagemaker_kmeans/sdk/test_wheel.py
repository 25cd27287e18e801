"""The wheel that users install."""

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from sagemaker_kmeans import __version__
from tests.requirement import missing
from tests.sagemaker_kmeans.sdk.conftest import sdk_version
from tools.documents import ROOT


def test_the_wheel_holds_the_package_and_runs_without_anything_else(tmp_path: Path) -> None:
    if find_spec("hatchling") is None:
        if sdk_version().startswith("3"):
            pytest.skip("hatchling is in the environment of version 2 of the SDK")
        missing("hatchling is not installed; `make test-sdk` installs it")
    folder = ROOT / "sagemaker_kmeans"
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=folder, check=True)
    (wheel,) = tmp_path.glob(f"sagemaker_kmeans-{__version__}-*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info" not in name}
    ours = [path for path in folder.rglob("*") if path.suffix == ".py" or path.name == "py.typed"]
    assert names == {str(path.relative_to(ROOT)) for path in ours}
    command = [sys.executable, "-m", "sagemaker_kmeans", "--version"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(wheel)}, capture_output=True, text=True)
    assert done.stdout == f"sagemaker-kmeans {__version__}\n"
