"""The class KMeans of `sagemaker_kmeans` in local mode, on the built image, on one host and on two, with both SDKs."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.image.test_sdk import run_program, sdk_environment
from tests.requirement import missing
from tools.documents import README, snippets, text

__all__ = ["sdk_environment"]  # a fixture

# `make test-container` installs version 3 there: it excludes version 2.
PYTHONS = {"2": sys.executable, "3": str(Path(sys.prefix) / "sdk3" / "bin" / "python")}


@pytest.fixture
def stranger(sdk_environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user with an empty home, but for where the engine is found, and nothing of AWS."""
    environment = {
        name: value for name, value in sdk_environment.items() if not name.startswith(("AWS_", "SAGEMAKER_"))
    }
    return environment | {
        "HOME": str(tmp_path / "home"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "DOCKER_CONFIG": environment.get("DOCKER_CONFIG", str(Path.home() / ".docker")),
    }


@pytest.mark.parametrize("snippet", [snippet for snippet in snippets(text(README), "python") if "sagemaker" in snippet])
def test_the_readmes_program_runs_twice(stranger: dict[str, str], tmp_path: Path, snippet: str) -> None:
    program, folder = tmp_path / "program.py", tmp_path / "empty"
    program.write_text(snippet)
    folder.mkdir()
    for _ in range(2):
        assert "closest_cluster" in run_program(stranger, folder, program)


@pytest.mark.parametrize("sdk", PYTHONS)
@pytest.mark.parametrize("hosts", ["1", "2"])
def test_a_notebook_runs_from_record_set_to_records(
    stranger: dict[str, str],
    tmp_path: Path,
    image: str,
    digits: NDArray[np.float32],
    hosts: str,
    sdk: str,
) -> None:
    if not Path(PYTHONS[sdk]).exists():
        missing(f"version {sdk} of the SDK is not installed; `make test-container` installs it")
    np.save(tmp_path / "rows.npy", digits)
    client = Path(__file__).with_name("sdk_kmeans_client.py")
    arguments = (client, image, hosts, tmp_path / "rows.npy", tmp_path / "answers.npz")
    # Once more on one host: the second run finds what the first has left.
    for _ in range(2 if hosts == "1" else 1):
        run_program(stranger, tmp_path, *arguments, python=PYTHONS[sdk])
    answers = np.load(tmp_path / "answers.npz")
    loaded = answers["loaded"]
    assert answers["cluster_sizes"].sum() == len(digits)
    np.testing.assert_array_equal(answers["labels"], loaded)
    np.testing.assert_array_equal(answers["record_labels"], loaded[:500])
    np.testing.assert_array_equal(answers["transformed"], loaded[:100])
    assert np.isfinite(answers["distances"]).all()
