"""The image under test, and data for it."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from tests.requirement import missing
from tools.containers import IMAGE, Tree, docker, run

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.image)
            # The first test builds the image.
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def image() -> str:
    """Build the image from this tree. Without a Docker engine the tests are skipped; in CI they fail."""
    if shutil.which("docker") is None:
        missing("no Docker client is installed")
    engine = docker("info", "--format", "{{.ServerVersion}}")
    if engine.returncode:
        missing(f"no Docker engine answers: {engine.stderr.strip()}")
    build = subprocess.run(
        ["make", "image", f"IMAGE={IMAGE}"], cwd=ROOT, capture_output=True, text=True, timeout=1700, check=False
    )
    assert build.returncode == 0, f"{build.stdout[-4000:]}{build.stderr[-4000:]}"
    return IMAGE


@pytest.fixture(scope="session")
def digits() -> NDArray[np.float32]:
    """Handwritten digits, float32 (1797, 64)."""
    return np.asarray(load_digits().data, dtype=np.float32)


@pytest.fixture
def job(tmp_path: Path, digits: NDArray[np.float32]) -> Tree:
    """Return a job that is ready to start: ten clusters of the digits."""
    return digits_job(tmp_path / "ml", digits)


@pytest.fixture(scope="session")
def trained(image: str, tmp_path_factory: pytest.TempPathFactory, digits: NDArray[np.float32]) -> Tree:
    """Return the same job after it has ended."""
    tree = digits_job(tmp_path_factory.mktemp("trained"), digits)
    outcome = run(image, tree, flags=["--network", "none"])
    (tree.base / "log").write_text(outcome.log)
    assert outcome.exit_code == 0, outcome.log
    return tree


def digits_job(base: Path, rows: NDArray[np.float32]) -> Tree:
    tree = Tree(base)
    tree.configure({"k": 10, "feature_dim": rows.shape[1], "force_dense": True})
    tree.add_rows(rows[:1000], "part-0.pbr")
    tree.add_rows(rows[1000:], "nested/part-1.pbr")
    return tree
