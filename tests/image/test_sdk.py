"""The SageMaker Python SDK in local mode, on the built image: the way a customer of the built-in algorithm works."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container.artifacts.model import load
from tests.image.conftest import ROOT
from tests.image.test_serving import nearest
from tests.requirement import missing
from tools.containers import docker

CONFIG = """\
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""
MNIST = ROOT.parent / "shared" / "data" / "mnist10k.npz"
SECONDS = 600


@pytest.fixture
def sdk_environment(image: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of a program that uses the SDK and must not reach anything but the Docker engine."""
    if find_spec("sagemaker") is None:
        missing("the SageMaker SDK is not installed; `make test-container` installs it")
    if shutil.which("docker-compose") is None and docker("compose", "version").returncode:
        missing("the SDK's local mode needs docker-compose")
    config = tmp_path / "sdk-config.yaml"
    config.write_text(CONFIG)
    before = composed(image)
    yield os.environ | {
        "AWS_ACCESS_KEY_ID": "dummy",
        "AWS_SECRET_ACCESS_KEY": "dummy",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": str(ROOT),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
    }
    # The SDK leaves the containers that it stopped.
    for container in composed(image) - before:
        docker("rm", "--force", container)


def composed(image: str) -> set[str]:
    """Return the ids of the image's containers that docker-compose created."""
    filters = ["--filter", f"ancestor={image}", "--filter", "label=com.docker.compose.project"]
    return set(docker("ps", "--all", "--quiet", *filters).stdout.split())


def run_program(environment: dict[str, str], folder: Path, *arguments: str | Path, python: str = sys.executable) -> str:
    """Run a Python program of a customer; return what it printed."""
    program = subprocess.run(
        [python, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert program.returncode == 0, program.stdout
    return program.stdout


def train_deploy_predict(environment: dict[str, str], folder: Path, image: str, rows: NDArray[np.float32]) -> float:
    """Check the answers of `predict` against numpy; return the model's mean squared distance of all rows."""
    np.save(folder / "rows.npy", rows)
    client = Path(__file__).parent / "sdk_client.py"
    run_program(environment, folder, client, image, "10", folder / "rows.npy", folder / "answers.npz")
    (tarball,) = (folder / "output").rglob("model.tar.gz")
    centers = load(tarball).centers
    answers = np.load(folder / "answers.npz")
    asked = len(answers["record_labels"])
    labels, distances = nearest(rows[:asked], centers)
    for form in "record", "json":
        np.testing.assert_array_equal(answers[f"{form}_labels"], labels)
        np.testing.assert_allclose(answers[f"{form}_distances"], distances, rtol=1e-6)
    blocks = (nearest(block, centers)[1] for block in np.array_split(rows, 20))
    return float(np.square(np.concatenate(list(blocks))).mean())


def test_the_sdk_trains_deploys_and_predicts(
    sdk_environment: dict[str, str], tmp_path: Path, image: str, digits: NDArray[np.float32]
) -> None:
    train_deploy_predict(sdk_environment, tmp_path, image, digits)


def test_mnist_is_clustered_as_well_as_by_lloyd(sdk_environment: dict[str, str], tmp_path: Path, image: str) -> None:
    """The best of ten full runs of Lloyd's method has a mean squared distance of 38.8."""
    if not MNIST.exists():
        pytest.skip("the 10,000 digits of MNIST are not on this machine")
    rows = np.load(MNIST)["pixels"].astype(np.float32) / 255
    assert train_deploy_predict(sdk_environment, tmp_path, image, rows) < 40.0


def test_the_sdk_transforms_files_in_batches(
    sdk_environment: dict[str, str], tmp_path: Path, image: str, digits: NDArray[np.float32]
) -> None:
    """Compare input and output row by row, for both strategies and the content types with lines."""
    np.save(tmp_path / "rows.npy", digits)
    client = Path(__file__).parent / "sdk_batch_client.py"
    run_program(sdk_environment, tmp_path, client, image, "10", tmp_path / "rows.npy", tmp_path)
    (tarball,) = (tmp_path / "output").rglob("model.tar.gz")
    labels, distances = nearest(digits, load(tarball).centers)
    outputs = sorted((tmp_path / "transformed").rglob("rows.out"))
    assert len(outputs) == 6
    for output in outputs:
        (name,) = (part for part in output.parts if part.startswith(("SingleRecord", "MultiRecord")))
        asked = (tmp_path / "given" / name / "rows").read_text().splitlines()
        # Local mode adds a line end to each answer, as AssembleWith says, after that of the answer.
        answered = [line for line in output.read_text().splitlines() if line]
        assert len(answered) == len(asked)
        for line, label, distance in zip(answered, labels, distances, strict=False):
            if name.endswith("csv"):
                found_label, found_distance = map(float, line.split(","))
            else:
                members = json.loads(line)
                found_label, found_distance = members["closest_cluster"], members["distance_to_cluster"]
            assert found_label == label
            assert found_distance == pytest.approx(distance, rel=1e-6)


def test_two_hosts_train_one_model(
    sdk_environment: dict[str, str], tmp_path: Path, image: str, digits: NDArray[np.float32]
) -> None:
    np.save(tmp_path / "rows.npy", digits)
    program = Path(__file__).with_name("sdk_two_hosts_client.py")
    run_program(sdk_environment, tmp_path, program, image, tmp_path / "rows.npy", tmp_path)
    (archive,) = (tmp_path / "output").rglob("model.tar.gz")
    shutil.unpack_archive(archive, tmp_path / "model", filter="data")
    model = load(tmp_path / "model")
    assert model.description is not None
    # In local mode both hosts have all files and divide the mini-batches.
    assert model.description["rows_seen"] == len(digits)
    msd = np.square(digits[:, None].astype(np.float64) - model.centers[None]).sum(axis=2).min(axis=1).mean()
    assert np.isclose(model.description["msd"], msd, rtol=1e-5)
