"""Jobs with `distance=cosine`, compared with spherical k-means in plain numpy."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import sagemaker_kmeans
from container.artifacts import mxnet_ndarray
from container.artifacts.model import load, load_state
from container.configuration.channels import CSV, RECORDIO
from container.serving.app import create_app
from container.serving.model import ServedModel
from container.serving.settings import ServingSettings
from tests.container.hosts.cluster import cluster_of
from tests.container.job.endpoints import endpoints
from tests.container.job.job import Ended, Job
from tests.container.job.test_resolve import resolve
from tests.container.job.test_resuming import killed_at
from tests.container.job.test_standardize import bytes_of, csv, job_on, run

Doubles = NDArray[np.float64]
COSINE = {"distance": "cosine", "standardize": "false"}
SMALL = {"mini_batch_size": "200", "epochs": "2", "write_assignments": "false"}


def embeddings(n_rows: int = 3000, n_features: int = 24, seed: int = 0) -> Doubles:
    """Draw rows around 30 directions, of lengths from 1e-15 to 1e15."""
    rng = np.random.default_rng(seed)
    places = np.random.default_rng(1).normal(size=(30, n_features))
    rows = 0.5 * places[rng.integers(30, size=n_rows)] + 0.4 * rng.normal(size=(n_rows, n_features))
    return (rows * 10.0 ** rng.integers(-15, 16, (n_rows, 1))).astype(np.float32).astype(np.float64)


def unit(rows: NDArray[np.floating]) -> Doubles:
    scaled = rows / np.abs(rows).max(axis=1, keepdims=True)
    found: Doubles = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return found


def measured(ended: Ended, rows: Doubles) -> Doubles:
    """Return one minus the cosines of rows and the centers of a model."""
    found: Doubles = 1.0 - unit(rows) @ load(ended.base / "model").centers.astype(np.float64).T
    return found


def best_of_ten(rows: Doubles, k: int) -> float:
    """Return the least mean of 1 - cosine of ten runs of spherical k-means (Dhillon & Modha 2001) from random rows."""
    directions, losses = unit(rows), []
    for seed in range(10):
        centers = directions[np.random.default_rng(seed).choice(len(rows), k, replace=False)]
        for _ in range(50):
            products = directions @ centers.T
            labels = products.argmax(axis=1)
            sums = np.zeros_like(centers)
            np.add.at(sums, labels, directions)
            filled = sums.any(axis=1)
            centers[filled] = unit(sums[filled])
        losses.append(1.0 - float((directions @ centers.T).max(axis=1).mean()))
    return min(losses)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    job = job_on(tmp_path_factory.mktemp("cosine"), embeddings(), 30, write_report="true", **COSINE)
    job.channels["test"] = dict(job.channels["train"])
    (job.folder("test") / "rows").write_bytes(csv(embeddings()[::3]))
    return run(job)


def test_a_model_is_at_least_as_good_as_the_best_of_ten_runs_of_spherical_k_means(trained: Ended) -> None:
    rows = embeddings()
    distances = measured(trained, rows)
    assert distances.min(axis=1).mean() <= best_of_ten(rows, 30) * (1.0 + 1e-6)
    np.testing.assert_allclose(np.linalg.norm(trained.centers.astype(np.float64), axis=1), 1.0, atol=1e-7)
    # Each center has the direction of the sum of its rows.
    labels = distances.argmin(axis=1)
    sums = np.stack([unit(rows)[labels == cluster].sum(axis=0) for cluster in range(30)])
    assert np.einsum("kd,kd->k", unit(sums), trained.centers).min() > 1.0 - 1e-6
    assert trained.description["distance"] == "cosine"
    assert trained.description["msd"] == pytest.approx(2.0 * distances.min(axis=1).mean(), rel=1e-6)


def test_what_is_written_beside_it_is_measured_alike(trained: Ended) -> None:
    distances = measured(trained, embeddings())
    (path,) = (trained.base / "output/data/assignments").rglob("*.csv")
    written = np.loadtxt(path, delimiter=",", skiprows=1)
    np.testing.assert_array_equal(written[:, 0], distances.argmin(axis=1))
    np.testing.assert_allclose(written[:, 1], distances.min(axis=1), atol=1e-6)
    (tested,) = re.findall(r"test msd <loss>=(\S+)", trained.log)
    expected = 2.0 * measured(trained, embeddings()[::3]).min(axis=1).mean()
    assert float(tested) == pytest.approx(expected, rel=1e-6)
    assert "comparing directions: rows are scaled to length 1" in trained.log
    assert "outweighs" not in trained.log
    page = (trained.base / "output/data/report.html").read_text()
    assert "Rows are scaled to length 1, for the cosine distance." in page
    assert "of all rows: 2 - 2 cosine" in page


def test_every_way_to_ask_answers_one_minus_the_cosine(trained: Ended, tmp_path: Path) -> None:
    rows = embeddings(seed=3)
    distances = measured(trained, rows)
    expected = np.column_stack([distances.argmin(axis=1), distances.min(axis=1)])
    for asked, path in endpoints(trained.base, tmp_path):
        answer = asked.post(path, data=csv(rows), content_type=CSV, headers={"Accept": CSV})
        answered = np.loadtxt(answer.data.decode().splitlines(), delimiter=",")
        np.testing.assert_allclose(answered, expected, rtol=1e-5, atol=1e-7)
    model = sagemaker_kmeans.load(trained.base / "model")
    labels, nearest = model.predict_with_distances(rows)
    np.testing.assert_allclose(np.column_stack([labels, nearest]), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(model.distances(rows), distances, rtol=1e-5, atol=1e-7)
    settings = ServingSettings(outputs=("distances", "top_clusters", "top_distances"), top_n=2)
    client = create_app(ServedModel(trained.base / "model"), settings).test_client()
    answer = client.post("/invocations", data=csv(rows[:5]), content_type=CSV, headers={"Accept": "application/json"})
    for answered, row in zip(json.loads(answer.data)["predictions"], distances, strict=False):
        np.testing.assert_allclose(answered["distances"], row, rtol=1e-5)
        assert answered["top_clusters"] == np.argsort(row)[:2].tolist()
        np.testing.assert_allclose(answered["top_distances"], np.sort(row)[:2], rtol=1e-5)


def test_a_request_with_a_row_of_zeros_is_refused_by_its_number(trained: Ended) -> None:
    rows = embeddings()[:40]
    rows[17] = 0.0
    client = create_app(ServedModel(trained.base / "model"), ServingSettings()).test_client()
    answer = client.post("/invocations", data=csv(rows), content_type=CSV)
    assert answer.status_code == 400
    assert b"record 18: expected a number other than 0, since distance=cosine compares directions" in answer.data
    with pytest.raises(ValueError, match="got zeros only in row 17"):
        sagemaker_kmeans.load(trained.base / "model").predict(rows)


def test_a_model_of_another_k_compares_directions_too(trained: Ended, tmp_path: Path) -> None:
    done = resolve("--k", "10", "--content-type", CSV, "--data", trained.base / "input/data/train",
                   trained.base / "model", tmp_path / "out.tar.gz")  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = load(tmp_path / "out.tar.gz")
    np.testing.assert_allclose(np.linalg.norm(model.centers.astype(np.float64), axis=1), 1.0, atol=1e-7)
    assert model.coordinates.unit
    assert model.description is not None
    assert model.description["msd"] <= 2.0 * best_of_ten(embeddings(), 10) * (1.0 + 1e-6)
    written = np.loadtxt(tmp_path / "out-data/assignments/rows.csv", delimiter=",", skiprows=1)
    assert 2.0 * written[:, 1].mean() == pytest.approx(model.description["msd"], rel=1e-6)
    assert load_state(tmp_path / "out.tar.gz")[1].unit


def continued(earlier: dict[str, bytes], base: Path, distance: str) -> Ended:
    """Continue a model, given as its files."""
    job = job_on(base, embeddings(seed=2), 30, distance=distance, standardize="false")
    job.channels["model"] = {"ContentType": "application/x-sagemaker-model"}
    for name, content in earlier.items():
        (job.folder("model") / name).write_bytes(content)
    return job.run()


def test_a_job_continues_from_it(trained: Ended, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in (trained.base / "model").iterdir()}
    ended = continued(files, tmp_path / "cosine", "cosine")
    assert ended.exit_code == 0, ended.log
    assert re.search(r"continuing from \d+ centers, of 3000 rows", ended.log)
    distances = measured(ended, np.concatenate([embeddings(), embeddings(seed=2)])).min(axis=1)
    assert distances.mean() < 1.01 * best_of_ten(np.concatenate([embeddings(), embeddings(seed=2)]), 30)
    ended = continued(files, tmp_path / "euclidean", "euclidean")
    assert ended.exit_code == 2
    assert "expected a model trained with distance=euclidean, as this job is" in ended.failure
    assert "got one trained with distance=cosine" in ended.failure


def test_a_job_continues_from_a_model_of_the_built_in(tmp_path: Path) -> None:
    centers = (unit(embeddings(30)) * 7.0).astype(np.float32)
    ended = continued({"model_algo-1": mxnet_ndarray.dumps(centers)}, tmp_path, "cosine")
    assert ended.exit_code == 0, ended.log
    assert "continuing from 30 centers, of 0 rows" in ended.log


def test_all_ways_to_read_rows_give_the_same_bytes_whatever_their_lengths(tmp_path: Path) -> None:
    """In File mode, records are scaled where they are read; on one thread and in FastFile mode elsewhere."""
    rows, cpus = embeddings(), sorted(os.sched_getaffinity(0))
    lengths = 2.0 ** np.random.default_rng(0).integers(-20, 20, (len(rows), 1))
    found = []
    for name, mode, n_threads, these in (
        ("file", "File", len(cpus), rows),
        ("longer", "File", len(cpus), rows * lengths),
        ("fast", "FastFile", len(cpus), rows),
        ("one", "File", 1, rows),
    ):
        os.sched_setaffinity(0, cpus[:n_threads])
        try:
            ended = run(job_on(tmp_path / name, these, 10, RECORDIO, mode, **SMALL, **COSINE))
        finally:
            os.sched_setaffinity(0, cpus)
        found.append(bytes_of(ended.base))
    assert found[0] == found[1] == found[2] == found[3]


def test_a_killed_job_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    small: dict[str, Any] = {**SMALL, "mini_batch_size": "50", "checkpoint_interval_seconds": "0", **COSINE}
    expected = run(job_on(tmp_path / "whole", embeddings(), 10, **small))
    job = job_on(tmp_path / "killed", embeddings(), 10, **small)
    (job.base / "checkpoints").mkdir()
    killed_at(job, 60)
    again = run(job)
    assert "resuming from the checkpoint of step" in again.log
    assert bytes_of(job.base) == bytes_of(expected.base)
    # Those of a job with another distance are of no use.
    other = run(Job(job.base, {**job.hyperparameters, "distance": "euclidean"}, job.channels))
    assert "it is of another job: spherical was true, is null" in other.log


def test_hosts_compare_directions_together(tmp_path: Path) -> None:
    rows = embeddings()
    chosen = {"k": "30", "feature_dim": "24", "mini_batch_size": "200", "refine_sample_size": "1500", **COSINE}
    with cluster_of(tmp_path, 2, chosen) as cluster:
        cluster.put(rows[:700].astype(np.float32), rows[700:].astype(np.float32))
        assert cluster.run() == [0, 0], cluster.logs
        ended = Ended(cluster.hosts[0].base, 0, cluster.logs)
        written = cluster.assignments()
    distances = measured(ended, rows).min(axis=1)
    assert distances.mean() <= 1.002 * best_of_ten(rows, 30)
    np.testing.assert_allclose(np.concatenate(written)[:, 1], distances, atol=1e-6)
    assert ended.description["msd"] == pytest.approx(2.0 * distances.mean(), rel=1e-6)


@pytest.mark.parametrize(("content_type", "mode"), [(CSV, "File"), (RECORDIO, "File"), (RECORDIO, "FastFile")])
def test_a_row_of_zeros_is_refused_by_its_number(tmp_path: Path, content_type: str, mode: str) -> None:
    rows = embeddings()
    rows[2345] = 0.0
    ended = job_on(tmp_path, rows, 10, content_type, mode, **SMALL, **COSINE).run()
    assert ended.exit_code == 2
    assert ended.failure.startswith(
        "Customer Error: Unable to read data channel 'train'. Found rows of zeros, which have no cosine. Please remove "
        "them, or train with distance=euclidean. (train/rows, record 2346: expected a number other than 0, since "
        "distance=cosine compares directions, got zeros only) (caused by ZeroRowError)"
    )


def test_missing_numbers_are_filled_before_rows_are_scaled(tmp_path: Path) -> None:
    rows = unit(embeddings(1000)) * 3.0
    rows[::7, 2] = np.nan
    ended = run(job_on(tmp_path, rows, 30, missing="mean", **COSINE))
    filled = np.where(np.isnan(rows), ended.description["missing_numbers"], rows)
    distances = measured(ended, filled)
    assert ended.description["msd"] == pytest.approx(2.0 * distances.min(axis=1).mean(), rel=1e-5)
    client = create_app(ServedModel(tmp_path / "model"), ServingSettings()).test_client()
    answer = client.post("/invocations", data=csv(rows), content_type=CSV, headers={"Accept": CSV})
    answered = np.loadtxt(answer.data.decode().splitlines(), delimiter=",")
    np.testing.assert_allclose(answered[:, 1], distances.min(axis=1), rtol=1e-4, atol=1e-6)
    labels, nearest = sagemaker_kmeans.load(tmp_path / "model").predict_with_distances(rows)
    np.testing.assert_array_equal(labels, answered[:, 0])
    np.testing.assert_allclose(nearest, answered[:, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distance": "manhattan"}, "Hyperparameter distance: expected 'euclidean' or 'cosine', got 'manhattan': "
         "k-means moves centers to means, which minimize no other distance"),
        ({"standardize": "true"}, "Hyperparameter standardize: expected 'false' with distance=cosine"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    ended = job_on(tmp_path, embeddings(50), 3, **{**COSINE, **changes}).run()
    assert ended.exit_code == 2
    assert message in ended.failure


def test_fewer_directions_than_clusters_are_too_few(tmp_path: Path) -> None:
    rows = np.repeat(embeddings(5), 400, axis=0) * np.tile([1.0, 3.0, 0.7, 100.0], 500)[:, None]
    ended = job_on(tmp_path, rows, 6, **{**SMALL, **COSINE}).run()
    assert ended.exit_code == 2
    assert (
        "k = 6 clusters need at least as many distinct rows; the 2000 training rows looked at hold 5" in ended.failure
    )
