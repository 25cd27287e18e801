"""Local mode of SDK 2, the real one but for Docker: `train` and `serve` of this checkout run as processes."""

import json
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

need_sdk("2")

from sagemaker_kmeans import KMeans, KMeansModel, KMeansPredictor  # noqa: E402
from sagemaker_kmeans.sdk2 import LocalKMeansSession  # noqa: E402

ROWS = np.concatenate([np.random.default_rng(0).normal(center, 0.1, (50, 2)) for center in (0.0, 5.0, 9.0)])
ROWS = ROWS.astype(np.float32)
COMMON: dict[str, Any] = {"role": "any", "instance_count": 1, "instance_type": "local", "image_uri": "kmeans"}


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
    session = LocalKMeansSession()
    session.config = {**session.config, "local": {**session.config["local"], "serving_port": free_port()}}
    estimator = KMeans(**COMMON, k=3, seed=2, eval_metrics=["msd"], sagemaker_session=session)
    sets = [estimator.record_set(ROWS), estimator.record_set(ROWS, channel="test")]
    estimator.fit(sets, job_name="first-job", logs=False)
    return estimator


def test_from_rows_to_records_without_aws(trained: Any, folder: Path) -> None:
    model = load(trained.model_data.removeprefix("file://"))
    assert Path(trained.model_data.removeprefix("file://")).is_relative_to(folder / "home")
    assert model.cluster_sizes is not None
    assert model.cluster_sizes.tolist() == [50, 50, 50]
    predictor = trained.deploy(1, "local")
    try:
        assert type(predictor) is KMeansPredictor
        found = [record.label["closest_cluster"].float32_tensor.values[0] for record in predictor.predict(ROWS)]
        assert found == model.predict(ROWS).tolist()
        labels, distances = predictor.predict_arrays(ROWS)
        np.testing.assert_array_equal(labels, model.predict(ROWS))
        np.testing.assert_array_equal(distances, model.predict_with_distances(ROWS)[1])
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


def test_a_second_job_leaves_the_first_as_it_is(trained: Any) -> None:
    first = trained.model_data
    content = Path(first.removeprefix("file://")).read_bytes()
    other = KMeans.attach("first-job")
    other.fit(other.record_set(ROWS), logs=False)
    assert other.model_data != first
    assert Path(first.removeprefix("file://")).read_bytes() == content


def test_a_transform_ends(trained: Any, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "rows.csv").write_text("".join(f"{a},{b}\n" for a, b in ROWS))
    transformer = trained.transformer(1, "local", accept="application/jsonlines", strategy="MultiRecord")
    transformer.transform(f"file://{given}", content_type="text/csv", split_type="Line")
    (output,) = Path(transformer.output_path.removeprefix("file://")).rglob("rows.csv.out")
    found = [json.loads(line)["closest_cluster"] for line in output.read_text().splitlines() if line]
    assert found == load(trained.model_data.removeprefix("file://")).predict(ROWS).tolist()


def test_a_model_of_a_path_is_deployed(trained: Any) -> None:
    path = trained.model_data.removeprefix("file://")
    model = KMeansModel(path, "any", trained.sagemaker_session, image_uri="kmeans", name="a-model")
    predictor = model.deploy(1, "local", endpoint_name="an-endpoint")
    try:
        assert predictor.predict_arrays(ROWS)[0].tolist() == load(path).predict(ROWS).tolist()
    finally:
        predictor.delete_endpoint()


def test_record_sets_are_where_they_are_asked_for(tmp_path: Path) -> None:
    estimator = KMeans(**COMMON, k=3, data_location=f"file://{tmp_path}/rows")
    estimator.record_set(ROWS)
    (file,) = (tmp_path / "rows").rglob("*.pbr")
    assert file.stat().st_size > ROWS.nbytes


def test_a_failed_job_is_told() -> None:
    estimator = KMeans(**COMMON, k=1000)
    with pytest.raises(RuntimeError, match="Failed to run"):
        estimator.fit(estimator.record_set(ROWS), job_name="failing", logs=False)
    assert LocalKMeansSession().jobs.find("failing") is None
