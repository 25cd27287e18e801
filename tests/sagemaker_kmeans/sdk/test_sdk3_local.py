"""Local mode of SDK 3, the real one but for Docker: `train` and `serve` of this checkout run as processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagemaker_kmeans import load
from tests.sagemaker_kmeans.sdk.conftest import local_mode, need_sdk
from tools.documents import ROOT
from tools.ports import free_port

need_sdk("3")

from sagemaker_kmeans import KMeans  # noqa: E402

ROWS = np.concatenate([np.random.default_rng(0).normal(center, 0.1, (50, 2)) for center in (0.0, 5.0, 9.0)])
ROWS = ROWS.astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="module", autouse=True)
def _environment(folder: Path) -> Iterator[None]:
    with local_mode(folder):
        yield


@pytest.fixture(scope="module")
def trained(_environment: None) -> Any:
    """Return an estimator whose job has ended."""
    estimator = KMeans("any", 1, "local", k=3, seed=2, eval_metrics=["msd"], image_uri="kmeans")
    estimator.sagemaker_session.config = {"local": {"serving_port": free_port()}}
    sets = [estimator.record_set(ROWS), estimator.record_set(ROWS, channel="test")]
    estimator.fit(sets, job_name="first-job")
    return estimator


def test_from_rows_to_records_without_aws(trained: Any, folder: Path) -> None:
    path = trained.model_data.removeprefix("file://")
    assert Path(path).is_relative_to(folder / "home")
    model = load(path)
    assert model.cluster_sizes is not None
    assert model.cluster_sizes.tolist() == [50, 50, 50]
    predictor = trained.deploy(1, "local")
    try:
        found = [record.label["closest_cluster"].float32_tensor.values[0] for record in predictor.predict(ROWS)]
        assert found == model.predict(ROWS).tolist()
        np.testing.assert_array_equal(predictor.predict_arrays(ROWS)[1], model.predict_with_distances(ROWS)[1])
    finally:
        trained.delete_endpoint()


def test_another_process_attaches_to_a_job(trained: Any) -> None:
    program = """
from sagemaker_kmeans import KMeans, load
estimator = KMeans.attach("first-job")
print(estimator.hyperparameters()["seed"], estimator.eval_metrics, estimator.training_image_uri())
print(load(estimator.model_data.removeprefix("file://")))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT), "SAGEMAKER_KMEANS_IMAGE": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-2:] == ["2 ['msd'] kmeans", "<LocalModel of 3 clusters and 2 features>"]
