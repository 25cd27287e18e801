"""Local mode of the installed SDK, the real one but for Docker: `train` and `serve` run as processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagemaker_kmeans import KMeans, KMeansModel, KMeansPredictor, load
from sagemaker_kmeans.local_jobs import LocalJobs
from tests.sagemaker_kmeans.sdk.conftest import local_mode
from tools.documents import ROOT

ROWS = np.concatenate([np.random.default_rng(0).normal(center, 0.1, (50, 2)) for center in (0.0, 5.0, 9.0)])
ROWS = ROWS.astype(np.float32)
COMMON: dict[str, Any] = {"role": "any", "instance_count": 1, "instance_type": "local", "image_uri": "kmeans"}

# As people have it for the built-in algorithm, but for the type of the instances.
NOTEBOOK = """
from sagemaker import KMeans

num_clusters = 3
kmeans = KMeans(role=role, instance_count=1, instance_type="local", k=num_clusters)

train_data = counties.astype("float32")
kmeans.fit(kmeans.record_set(train_data), job_name="first-job")

kmeans_predictor = kmeans.deploy(initial_instance_count=1, instance_type="local")
result = kmeans_predictor.predict(train_data)
cluster_labels = [r.label["closest_cluster"].float32_tensor.values[0] for r in result]
distances = [r.label["distance_to_cluster"].float32_tensor.values[0] for r in result]
"""
CHANGES = {
    "from sagemaker import": "from sagemaker_kmeans import",
    "k=num_clusters": 'image_uri="kmeans", k=num_clusters',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Local mode decodes nothing in a file:// address.
    return tmp_path_factory.mktemp("a folder, é %20")


@pytest.fixture(scope="module", autouse=True)
def _environment(folder: Path) -> Iterator[None]:
    with local_mode(folder):
        yield


@pytest.fixture(scope="module")
def notebook(_environment: None) -> dict[str, Any]:
    """Return the variables of a notebook that ran, and whose endpoint was deleted."""
    program = NOTEBOOK
    for before, after in CHANGES.items():
        assert program.count(before) == 1
        program = program.replace(before, after)
    variables: dict[str, Any] = {"role": "any", "counties": ROWS.astype(np.float64)}
    try:
        exec(program, variables)
        variables["arrays"] = variables["kmeans_predictor"].predict_arrays(ROWS)
    finally:
        variables["kmeans"].delete_endpoint()
    return variables


@pytest.fixture
def model_file(notebook: dict[str, Any]) -> Path:
    return Path(notebook["kmeans"].model_data.removeprefix("file://"))


def test_a_notebook_runs_from_rows_to_records(notebook: dict[str, Any], model_file: Path, folder: Path) -> None:
    assert model_file.is_relative_to(folder / "home")
    assert type(notebook["kmeans_predictor"]) is KMeansPredictor
    labels, distances = load(model_file).predict_with_distances(ROWS)
    assert sorted(np.bincount(labels)) == [50, 50, 50]
    assert notebook["cluster_labels"] == labels.tolist()
    assert notebook["distances"] == distances.tolist()
    np.testing.assert_array_equal(notebook["arrays"], (labels, distances))


def test_another_process_attaches_to_a_job(notebook: dict[str, Any]) -> None:
    program = """
from sagemaker_kmeans import KMeans, load
estimator = KMeans.attach("first-job")
print(estimator.k, estimator.training_image_uri(), load(estimator.model_data))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT), "SAGEMAKER_KMEANS_IMAGE": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "3 kmeans <LocalModel of 3 clusters and 2 features>"


def test_attributes_are_set_a_model_deployed_and_all_deleted(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As an integration test of the SDK has it.
    first = model_file.read_bytes()
    monkeypatch.setenv("SAGEMAKER_KMEANS_IMAGE", "kmeans")
    with pytest.warns(DeprecationWarning, match="train_instance_count has been renamed"):
        kmeans = KMeans(role="any", train_instance_count=1, train_instance_type="local", k=4)
    kmeans.init_method = "random"
    kmeans.max_iterations = 1
    kmeans.tol = 1
    kmeans.num_trials = 1
    kmeans.local_init_method = "kmeans++"
    kmeans.half_life_time_size = 1
    kmeans.epochs = 1
    kmeans.center_factor = 1
    kmeans.eval_metrics = ["ssd", "msd"]
    assert kmeans.hyperparameters() == {
        "k": "4",
        "init_method": "random",
        "local_lloyd_max_iter": "1",
        "local_lloyd_tol": "1.0",
        "local_lloyd_num_trials": "1",
        "local_lloyd_init_method": "kmeans++",
        "half_life_time_size": "1",
        "epochs": "1",
        "extra_center_factor": "1",
        "eval_metrics": '["ssd", "msd"]',
        "force_dense": "True",
    }
    kmeans.fit([kmeans.record_set(ROWS), kmeans.record_set(ROWS, channel="test")], job_name="second-job")
    path = kmeans.model_data.removeprefix("file://")
    model = KMeansModel(path, role="any")
    predictor = model.deploy(1, "local", endpoint_name="an-endpoint")
    try:
        found = [record.label["closest_cluster"].float32_tensor.values[0] for record in predictor.predict(ROWS[:10])]
        assert found == load(path).predict(ROWS[:10]).tolist()
        predictor.delete_model()
        with pytest.raises(Exception, match="Could not find local model"):
            model.sagemaker_session.sagemaker_client.describe_model(ModelName=model.name)
    finally:
        predictor.delete_endpoint()
    assert model_file.read_bytes() == first


def test_a_transform_ends(notebook: dict[str, Any], model_file: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("".join(f"{a},{b}\n" for a, b in ROWS))
    transformer = notebook["kmeans"].transformer(1, "local", accept="application/jsonlines")
    transformer.transform(f"file://{tmp_path}", content_type="text/csv", split_type="Line")
    (output,) = Path(transformer.output_path.removeprefix("file://")).rglob("rows.csv.out")
    found = [json.loads(line)["closest_cluster"] for line in output.read_text().splitlines() if line]
    assert found == load(model_file).predict(ROWS).tolist()


def test_metrics_of_local_mode_are_in_the_log(notebook: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the metrics of local mode are in the log"):
        _ = notebook["kmeans"].training_job_analytics


def test_record_sets_are_where_they_are_asked_for(tmp_path: Path) -> None:
    estimator = KMeans(**COMMON, k=3, data_location=f"file://{tmp_path}/rows")
    estimator.record_set(ROWS)
    (file,) = (tmp_path / "rows").rglob("*.pbr")
    assert file.stat().st_size > ROWS.nbytes
    with pytest.raises(ValueError, match='Expecting an S3 URL beginning with "s3://"'):
        estimator.data_location = str(tmp_path)
    with pytest.raises(ValueError, match="expected an absolute path in a file:// address"):
        estimator.data_location = "file://rows"


def test_a_failed_job_is_reported() -> None:
    # Beyond the range of the job, which refuses it before it reads data.
    estimator = KMeans(**COMMON, k=1 << 25)
    with pytest.raises(RuntimeError, match="Failed to run"):
        estimator.fit(estimator.record_set(ROWS), job_name="failing", logs=False)
    assert LocalJobs().find("failing") is None
