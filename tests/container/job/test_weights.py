"""Jobs on rows with weights, compared with jobs on repeated rows."""

import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from container.artifacts.model import load_state
from container.formats.recordio.records import dense_record, encode
from kmeans.prediction import Predictor
from tests.container.hosts.cluster import cluster_of
from tests.container.job.job import Ended, Job
from tests.container.job.test_resolve import resolve
from tests.container.job.test_resuming import FILES, killed_at

N, K, D = 1200, 5, 3
CONTENT_TYPES = {
    "parquet": "application/x-parquet",
    "csv": "text/csv;header=present",
    "recordio": "application/x-recordio-protobuf",
}
SMALL = {"k": str(K), "feature_dim": str(D), "mini_batch_size": "100"}
Rows = NDArray[np.float32]
Weights = NDArray[np.float64]


@pytest.fixture(scope="module")
def rows() -> Rows:
    rng = np.random.default_rng(0)
    places = rng.normal(size=(K, D)) * 8
    return (places[rng.integers(K, size=N)] + rng.normal(size=(N, D))).astype(np.float32)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return np.random.default_rng(1).integers(0, 5, N).astype(np.float64)


def repeated(rows: Rows, weights: Weights) -> Rows:
    return np.repeat(rows, weights.astype(np.int64), axis=0)


def content(kind: str, rows: Rows, weights: Weights | None, path: Path) -> None:
    columns: dict[str, Any] = {f"f{place}": rows[:, place] for place in range(D)}
    if weights is not None:
        columns = {"f0": columns["f0"], "count": weights, **columns}
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=90)
    elif kind == "csv":
        pyarrow.csv.write_csv(pyarrow.table(columns), path)
    else:
        records = [dense_record(row) for row in rows]
        for record, weight in zip(records, [] if weights is None else weights, strict=False):
            record.features["count"].float32_tensor.values.append(weight)
        path.write_bytes(encode(records))


def job_of(folder: Path, kind: str, rows: Rows, weights: Weights | None, **changes: str) -> Job:
    named = {} if weights is None else {"weight_column": "count"}
    channel = {"TrainingInputMode": "File", "ContentType": CONTENT_TYPES[kind]}
    job = Job(folder, {**SMALL, **named, **changes}, {"train": dict(channel), "test": dict(channel)})
    for name in job.channels:
        content(kind, rows, weights, job.folder(name) / "rows")
    return job


def run(folder: Path, kind: str, rows: Rows, weights: Weights | None, **changes: str) -> Ended:
    ended = job_of(folder, kind, rows, weights, **changes).run()
    assert ended.exit_code == 0, ended.log
    return ended


def in_order(centers: NDArray[Any]) -> NDArray[Any]:
    return centers[np.lexsort(centers.T)]


def test_msd(ended: Ended) -> float:
    return float(re.findall(r"test msd <loss>=(\S+)", ended.log)[0])


test_msd.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, rows: Rows, weights: Weights) -> Ended:
    return run(tmp_path_factory.mktemp("repeated"), "parquet", repeated(rows, weights), None)


@pytest.mark.parametrize("kind", CONTENT_TYPES)
def test_a_row_of_weight_3_is_three_rows(
    tmp_path: Path, rows: Rows, weights: Weights, kind: str, expected: Ended
) -> None:
    ended = run(tmp_path, kind, rows, weights)
    np.testing.assert_allclose(in_order(ended.centers), in_order(expected.centers), rtol=1e-6)
    description = ended.description
    assert description["msd"] == pytest.approx(expected.description["msd"], rel=1e-9)
    assert sorted(description["cluster_sizes"]) == sorted(expected.description["cluster_sizes"])
    assert (description["rows"], description["total_weight"]) == (np.count_nonzero(weights), weights.sum())
    assert "total_weight" not in expected.description
    assert f"the rows have weights, which add up to {weights.sum():g}" in ended.log
    assert test_msd(ended) == pytest.approx(test_msd(expected), rel=1e-9)
    best = KMeans(K, n_init=5, random_state=0).fit(rows, sample_weight=weights)
    assert description["msd"] * weights.sum() <= best.inertia_ * (1 + 1e-6)
    # Weights are no feature, and rows of weight 0 have a cluster.
    found = pyarrow.csv.read_csv(next((ended.base / "output/data/assignments").rglob("*.csv")))
    labels, distances = Predictor(ended.centers).predict(rows)
    np.testing.assert_array_equal(found["closest_cluster"], labels)
    np.testing.assert_allclose(found["distance_to_cluster"], distances, rtol=1e-5)
    if kind != "recordio":
        assert description["feature_names"] == ["f0", "f1", "f2"]
    # The model's state has no row of the data.
    state, _ = load_state(ended.base / "model")
    assert not (state.centers.astype(np.float32)[:, None] == rows).all(axis=2).any()
    report = (ended.base / "output/data/report.html").read_text()
    assert "of all rows together" in report


def figures_of(ended: Ended) -> NDArray[np.float64]:
    """Return radii and quantiles of distances, by the place of the clusters."""
    described = ended.description["distances"]
    figures = np.array([described["radii"], *described["quantiles"].values()], np.float64)
    return figures[:, np.lexsort(ended.centers.T)]


@pytest.mark.parametrize("outputs", ["closest_cluster", "closest_cluster,is_anomaly"])
@pytest.mark.parametrize("size", ["auto", "200"])
def test_so_are_the_quantiles_of_distances(
    tmp_path: Path, rows: Rows, weights: Weights, outputs: str, size: str
) -> None:
    changes = {"assignment_outputs": outputs, "refine_sample_size": size, "write_assignments": "true"}
    ended = run(tmp_path / "weighted", "parquet", rows, weights, **changes)
    expected = run(tmp_path / "repeated", "parquet", repeated(rows, weights), None, **changes)
    found, wanted = (figures_of(one) for one in (ended, expected))
    # From a small sample, centers are the same up to chance.
    np.testing.assert_allclose(found, wanted, rtol=0.005 if size == "auto" else 0.1)
    assert ended.description["distances"]["of_all_rows"]


@pytest.mark.parametrize(
    "changes",
    [
        {"standardize": "true"},
        {"distance": "cosine"},
        {"half_life_time_size": "900"},
        {"refine_sample_size": "300"},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_so_it_is_however_rows_are_compared_and_kept(
    tmp_path: Path, rows: Rows, weights: Weights, changes: dict[str, str]
) -> None:
    one = run(tmp_path / "weighted", "parquet", rows, weights, **changes)
    other = run(tmp_path / "repeated", "parquet", repeated(rows, weights), None, **changes)
    np.testing.assert_allclose(in_order(one.centers), in_order(other.centers), rtol=1e-5, atol=1e-6)
    assert one.description["msd"] == pytest.approx(other.description["msd"], rel=1e-6)
    assert test_msd(one) == pytest.approx(test_msd(other), rel=1e-6)
    if "standardize" in changes:
        ours, theirs = (ended.description["standardization"] for ended in (one, other))
        np.testing.assert_allclose(ours["means"], theirs["means"], rtol=1e-12)
        np.testing.assert_allclose(ours["scales"], theirs["scales"], rtol=1e-12)


def test_means_of_features_are_weighted(tmp_path: Path, rows: Rows, weights: Weights) -> None:
    gaps = rows.copy()
    gaps[::9, 1] = np.nan
    ended = run(tmp_path, "parquet", gaps, weights, missing="mean")
    there = ~np.isnan(gaps[:, 1])
    mean = np.average(gaps[there, 1].astype(np.float64), weights=weights[there])
    assert ended.description["missing_numbers"][1] == pytest.approx(mean, rel=1e-9)


@pytest.mark.parametrize("kind", ["parquet", "recordio"])
def test_a_killed_job_resumes_with_the_same_bytes(tmp_path: Path, rows: Rows, weights: Weights, kind: str) -> None:
    changes = {
        "checkpoint_interval_seconds": "0",
        "epochs": "3",
        "mini_batch_size": "20",
        "refine_sample_size": "300",
        "half_life_time_size": "800",
        "early_stopping_tolerance": "1e-9",
        "write_report": "false",
    }
    for name in ("whole", "cut"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
    whole = run(tmp_path / "whole", kind, rows, weights, **changes)
    job = job_of(tmp_path / "cut", kind, rows, weights, **changes)
    killed_at(job, 60)
    again = job.run()
    assert again.exit_code == 0, again.log
    assert "resuming from the checkpoint of step" in again.log
    for name in FILES:
        assert (again.base / name).read_bytes() == (whole.base / name).read_bytes(), name


@pytest.mark.parametrize("changes", [{}, {"standardize": "true"}])
def test_a_model_is_kept(tmp_path: Path, rows: Rows, weights: Weights, changes: dict[str, str]) -> None:
    trained = run(tmp_path / "trained", "parquet", rows, weights, **changes)
    found = []
    for name, given, own in (("one", rows, weights), ("other", repeated(rows, weights), None)):
        job = job_of(tmp_path / name, "parquet", given, own, epochs="0", **changes)
        job.channels["model"] = {}
        shutil.copytree(trained.base / "model", job.folder("model"), dirs_exist_ok=True)
        found.append(job.run())
        assert found[-1].exit_code == 0, found[-1].log
    one, other = found
    np.testing.assert_array_equal(one.centers, trained.centers)
    np.testing.assert_array_equal(one.description["cluster_sizes"], other.description["cluster_sizes"])
    assert one.description["total_weight"] == other.description["rows"] == weights.sum()
    assert one.description["msd"] == pytest.approx(other.description["msd"], rel=1e-9)
    assert one.description["msd"] == pytest.approx(trained.description["msd"], rel=1e-6)
    # The state of the model has no row of the data.
    state, _ = load_state(one.base / "model")
    assert not (state.centers.astype(np.float32)[:, None] == rows).all(axis=2).any()
    done = resolve("--k", "4", one.base / "output", tmp_path / "four.tar.gz")
    assert done.returncode == 0, done.stderr


def test_rows_of_a_pipe(tmp_path: Path, rows: Rows, weights: Weights, expected: Ended) -> None:
    job = job_of(tmp_path, "recordio", rows, weights)
    job.channels = {"train": {**job.channels["train"], "TrainingInputMode": "Pipe"}}
    data = (job.folder("train") / "rows").read_bytes()
    fifo = tmp_path / "input/data/train_0"
    os.mkfifo(fifo)

    def feed() -> None:
        with suppress(BrokenPipeError):
            fifo.write_bytes(data)

    writer = Thread(target=feed)
    writer.start()
    ended = job.run()
    writer.join()
    assert ended.exit_code == 0, ended.log
    np.testing.assert_allclose(in_order(ended.centers), in_order(expected.centers), rtol=1e-6)


@pytest.mark.parametrize("distribution", ["ShardedByS3Key", "FullyReplicated"])
def test_several_hosts(tmp_path: Path, rows: Rows, weights: Weights, distribution: str, expected: Ended) -> None:
    with cluster_of(tmp_path, 2, {**SMALL, "weight_column": "count", "standardize": "false"}) as cluster:
        channel = {"TrainingInputMode": "File", "S3DistributionType": distribution}
        cluster.channels = {"train": {**channel, "ContentType": CONTENT_TYPES["parquet"]}}
        for place, host in enumerate(cluster.hosts):
            cluster.configure(host)
            own = slice(place, None, 2) if distribution == "ShardedByS3Key" else slice(None)
            content("parquet", rows[own], weights[own], host.base / "input/data/train/rows")
        assert cluster.run() == [0, 0], cluster.logs
        description = json.loads((cluster.hosts[0].base / "model/kmeans.json").read_text())
        centers = cluster.hosts[0].centers
    assert (description["rows"], description["total_weight"]) == (np.count_nonzero(weights), weights.sum())
    np.testing.assert_allclose(in_order(centers), in_order(expected.centers), rtol=1e-4, atol=1e-4)
    assert description["msd"] == pytest.approx(expected.description["msd"], rel=1e-6)


@pytest.mark.parametrize("data", [False, True])
def test_a_model_of_another_k(tmp_path: Path, rows: Rows, weights: Weights, data: bool) -> None:
    ended = run(tmp_path / "job", "recordio", rows, weights, write_report="false")
    given = ("--data", ended.base / "input/data/train") if data else ()
    source = ended.base / ("model" if data else "output")
    done = resolve("--k", "4", *given, source, tmp_path / "four.tar.gz")
    assert done.returncode == 0, done.stderr
    found = re.findall(r"msd (\S+) on", done.stderr + done.stdout)
    best = KMeans(4, n_init=5, random_state=0).fit(rows, sample_weight=weights)
    assert float(found[0]) == pytest.approx(best.inertia_ / weights.sum(), rel=0.01)


def test_what_is_wrong_is_said_before_or_with_its_place(tmp_path: Path, rows: Rows, weights: Weights) -> None:
    weights = weights.copy()
    weights[400] = -2.0
    ended = job_of(tmp_path / "negative", "csv", rows, weights).run()
    assert ended.exit_code == 2
    assert "train/rows, line 402, column 1: expected a weight of 0 or more in 'count', got -2" in ended.failure
    job = job_of(tmp_path / "plain", "csv", rows, weights)
    job.channels["train"]["ContentType"] = "text/csv"
    assert "in which weights have a name as weight_column needs" in job.run().failure
    job.channels["train"]["ContentType"] = "application/x-npy"
    assert "in which weights have a name as weight_column needs, got application/x-npy" in job.run().failure
    job = job_of(tmp_path / "feature", "parquet", rows, weights, feature_columns='["f0", "f1", "count"]')
    assert "Hyperparameter weight_column: expected another column than" in job.run().failure
    job = job_of(tmp_path / "row", "recordio", rows, weights)
    job.hyperparameters = {**job.hyperparameters, "weight_column": "values"}
    assert "another feature of a Record than its row" in job.run().failure
