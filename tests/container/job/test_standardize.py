"""Jobs with `standardize=true`, compared with scikit-learn's StandardScaler and KMeans."""

import json
import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

import sagemaker_kmeans
from container.artifacts.model import load, load_state
from container.configuration.channels import CSV, RECORDIO
from container.serving.model import ServedModel
from tests.container.hosts.cluster import cluster_of
from tests.container.job.endpoints import endpoints
from tests.container.job.job import Ended, Job, recordio
from tests.container.job.test_resolve import resolve
from tests.container.job.test_resuming import killed_at

Doubles = NDArray[np.float64]
WINE: Doubles = load_wine().data
CANCER: Doubles = load_breast_cancer().data
MODEL = ("model_algo-1", "kmeans.json", "state.npz")


def csv(rows: Doubles) -> bytes:
    return "".join(f"{','.join(map(repr, row))}\n" for row in rows.tolist()).encode()


def mixed(n_rows: int = 3000, seed: int = 0) -> Doubles:
    """Draw rows around ten places, in features of very different units, times in seconds since 1970 among them."""
    rng = np.random.default_rng(seed)
    places = np.random.default_rng(1).normal(0.0, 4.0, (10, 4))
    plain = places[rng.integers(10, size=n_rows)] + rng.normal(size=(n_rows, 4))
    return plain * [1e4, 1e-3, 3600.0, 1e20] + [0.0, 5.0, 1.7e9, 1e21]


def job_on(base: Path, rows: Doubles, k: int, content_type: str = CSV, mode: str = "File", **changes: str) -> Job:
    channel = {"TrainingInputMode": mode, "ContentType": content_type}
    chosen = {"k": str(k), "feature_dim": str(rows.shape[1]), "standardize": "true", "write_report": "false"}
    job = Job(base, {**chosen, **changes}, {"train": channel})
    write: Callable[[Doubles], bytes] = csv if content_type == CSV else lambda rows: recordio(rows.astype(np.float32))
    (job.folder("train") / "rows").write_bytes(write(rows))
    return job


def run(job: Job) -> Ended:
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    return ended


def standardized(ended: Ended, points: NDArray[np.floating]) -> Doubles:
    """Return points in the units in which distances of a model are measured."""
    entry = ended.description["standardization"]
    found: Doubles = (points - np.array(entry["means"])) / np.array(entry["scales"])
    return found


def measured(ended: Ended, rows: Doubles) -> Doubles:
    """Return the distances of rows to the centers of a model."""
    differences = standardized(ended, rows)[:, None] - standardized(ended, load(ended.base / "model").centers)
    found: Doubles = np.sqrt(np.square(differences).sum(axis=2))
    return found


def bytes_of(base: Path) -> list[bytes]:
    return [(base / "model" / name).read_bytes() for name in MODEL]


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    job = job_on(tmp_path_factory.mktemp("wine"), WINE, 3, write_report="true")
    job.channels["test"] = dict(job.channels["train"])
    (job.folder("test") / "rows").write_bytes(csv(WINE[::3]))
    return run(job)


@pytest.mark.parametrize(("rows", "k", "content_type"), [(WINE, 3, CSV), (CANCER, 2, RECORDIO), (mixed(), 10, CSV)])
def test_a_model_is_that_of_the_standard_scaler_and_k_means(
    tmp_path: Path, rows: Doubles, k: int, content_type: str
) -> None:
    ended = run(job_on(tmp_path, rows, k, content_type))
    scaler = StandardScaler().fit(rows)
    best = KMeans(k, n_init=10, random_state=0).fit(scaler.transform(rows))
    assert ended.description["msd"] < 1.001 * best.inertia_ / len(rows)
    # An optimum for k-means there too.
    found = standardized(ended, load(tmp_path / "model").centers)
    again = KMeans(k, init=found, n_init=1).fit(scaler.transform(rows))
    assert again.inertia_ == pytest.approx(len(rows) * ended.description["msd"], rel=1e-4)
    labels = measured(ended, rows).argmin(axis=1)
    assert adjusted_rand_score(labels, again.labels_) > 0.99
    entry = ended.description["standardization"]
    np.testing.assert_allclose(entry["means"], scaler.mean_, rtol=1e-6)
    np.testing.assert_allclose(entry["scales"], scaler.scale_, rtol=1e-6)
    # Centers are in the units of the data.
    means = [rows[labels == cluster].mean(axis=0) for cluster in range(k)]
    np.testing.assert_allclose(load(tmp_path / "model").centers, means, rtol=1e-3)


def test_what_is_written_beside_it_is_measured_alike(wine: Ended) -> None:
    distances = measured(wine, WINE)
    (path,) = (wine.base / "output/data/assignments").rglob("*.csv")
    written = np.loadtxt(path, delimiter=",", skiprows=1)
    np.testing.assert_array_equal(written[:, 0], distances.argmin(axis=1))
    np.testing.assert_allclose(written[:, 1], distances.min(axis=1), rtol=1e-5)
    assert wine.description["msd"] == pytest.approx(np.square(distances.min(axis=1)).mean(), rel=1e-6)
    (tested,) = re.findall(r"test msd <loss>=(\S+)", wine.log)
    assert float(tested) == pytest.approx(np.square(measured(wine, WINE[::3]).min(axis=1)).mean(), rel=1e-6)
    assert "standardizing: distances and msd are in standard deviations of the features, computed from 178" in wine.log
    assert "outweighs" not in wine.log
    page = (wine.base / "output/data/report.html").read_text()
    assert "of all rows, in standard deviations" in page
    assert "Features are standardized" in page
    # A center's proline, which is 1,100 on average in one of the clusters.
    assert "feature 12: 1,100" in page


def test_every_way_to_ask_answers_in_these_units(wine: Ended, tmp_path: Path) -> None:
    distances = measured(wine, WINE)
    expected = np.column_stack([distances.argmin(axis=1), distances.min(axis=1)])
    for asked, path in endpoints(wine.base, tmp_path):
        answer = asked.post(path, data=csv(WINE), content_type=CSV, headers={"Accept": CSV})
        np.testing.assert_allclose(np.loadtxt(answer.data.decode().splitlines(), delimiter=","), expected, rtol=1e-5)
    model = sagemaker_kmeans.load(wine.base / "model")
    labels, nearest = model.predict_with_distances(WINE)
    np.testing.assert_allclose(np.column_stack([labels, nearest]), expected, rtol=1e-5)
    np.testing.assert_allclose(model.distances(WINE), distances, rtol=1e-5)
    served = ServedModel(wine.base / "model").predictor().predict(WINE.astype(np.float32))
    np.testing.assert_array_equal(np.column_stack(served), np.column_stack([labels, nearest]))


def test_a_model_of_another_k_keeps_the_units(wine: Ended, tmp_path: Path) -> None:
    done = resolve("--k", "2", "--content-type", CSV, "--data", wine.base / "input/data/train", wine.base / "model",
                   tmp_path / "out.tar.gz")  # fmt: skip
    assert done.returncode == 0, done.stderr
    description = load(tmp_path / "out.tar.gz").description or {}
    assert description["standardization"] == wine.description["standardization"]
    best = KMeans(2, n_init=10, random_state=0).fit(StandardScaler().fit_transform(WINE)).inertia_ / len(WINE)
    assert description["msd"] < 1.001 * best
    written = np.loadtxt(tmp_path / "out-data/assignments/rows.csv", delimiter=",", skiprows=1)
    assert np.square(written[:, 1]).mean() == pytest.approx(description["msd"], rel=1e-6)
    assert load_state(tmp_path / "out.tar.gz")[1].description() == {"standardization": description["standardization"]}


@pytest.mark.parametrize("standardize", ["true", "false"])
def test_a_job_continues_from_it_in_units_of_its_own(wine: Ended, tmp_path: Path, standardize: str) -> None:
    job = job_on(tmp_path, WINE * 2.0, 3, standardize=standardize)
    job.channels["model"] = {"ContentType": "application/x-sagemaker-model"}
    for path in (wine.base / "model").iterdir():
        (job.folder("model") / path.name).write_bytes(path.read_bytes())
    ended = run(job)
    # The state of a model has no center that is a single row.
    assert re.search(r"continuing from \d+ centers, of 178 rows", ended.log)
    assert ("standardization" in ended.description) == (standardize == "true")
    if standardize == "true":
        scales = np.array(ended.description["standardization"]["scales"])
        np.testing.assert_allclose(scales, 2.0 * np.array(wine.description["standardization"]["scales"]), rtol=1e-6)


@pytest.mark.parametrize(("hours", "dtype"), [(0.0, np.float32), (1e6, np.float64)])
def test_centers_are_in_float64_where_float32_is_too_coarse(tmp_path: Path, hours: float, dtype: type) -> None:
    rows = np.random.default_rng(0).normal(size=(300, 2)) + np.array([3600.0 * hours, 0.0])
    run(job_on(tmp_path, rows, 3))
    assert load(tmp_path / "model").centers.dtype == dtype


def test_all_ways_to_read_rows_give_the_same_bytes(tmp_path: Path) -> None:
    """In File mode, records are standardized where they are read; on one thread and in FastFile mode elsewhere."""
    small = {"mini_batch_size": "200", "epochs": "2", "write_assignments": "false"}
    rows, cpus = mixed().astype(np.float32).astype(np.float64), sorted(os.sched_getaffinity(0))
    found = []
    for name, mode, n_threads in (("file", "File", len(cpus)), ("fast", "FastFile", len(cpus)), ("one", "File", 1)):
        os.sched_setaffinity(0, cpus[:n_threads])
        try:
            ended = run(job_on(tmp_path / name, rows, 10, RECORDIO, mode, **small))
        finally:
            os.sched_setaffinity(0, cpus)
        assert f"{n_threads} threads" in ended.log
        found.append(bytes_of(ended.base))
    assert found[0] == found[1] == found[2]


def test_a_killed_job_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    small = {"mini_batch_size": "50", "checkpoint_interval_seconds": "0", "epochs": "2", "write_assignments": "false"}
    expected = run(job_on(tmp_path / "whole", mixed(), 10, **small))
    job = job_on(tmp_path / "killed", mixed(), 10, **small)
    (job.base / "checkpoints").mkdir()
    killed_at(job, 60)
    again = run(job)
    assert "resuming from the checkpoint of step" in again.log
    assert "standardizing" not in again.log
    assert bytes_of(job.base) == bytes_of(expected.base)


def test_a_pipe_is_standardized_by_its_first_rows(tmp_path: Path) -> None:
    rows = mixed(8000)
    job = job_on(tmp_path, rows, 10, mode="Pipe")
    fifo = job.folder("train").with_name("train_0")
    (job.folder("train") / "rows").unlink()
    os.mkfifo(fifo)

    def feed() -> None:
        with suppress(BrokenPipeError):
            fifo.write_bytes(csv(rows))

    writer = threading.Thread(target=feed)
    writer.start()
    ended = run(job)
    writer.join()
    scaler = StandardScaler().fit(rows[:5000])
    np.testing.assert_allclose(ended.description["standardization"]["scales"], scaler.scale_, rtol=1e-12)
    assert ended.description["rows_seen"] == len(rows)
    best = KMeans(10, n_init=5, random_state=0).fit(scaler.transform(rows)).inertia_ / len(rows)
    assert ended.description["msd"] < 1.01 * best


def test_hosts_use_the_same_scales(tmp_path: Path) -> None:
    rows = mixed()
    chosen = {"k": "10", "feature_dim": "4", "standardize": "true", "mini_batch_size": "200"}
    with cluster_of(tmp_path, 2, chosen) as cluster:
        cluster.put(rows[:700].astype(np.float32), rows[700:].astype(np.float32))
        assert cluster.run() == [0, 0], cluster.logs
        ended = Ended(cluster.hosts[0].base, 0, cluster.logs)
        written = cluster.assignments()
    # What each host has drawn stands for all of its rows.
    single = rows.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(ended.description["standardization"]["scales"], single.std(axis=0), rtol=0.1)
    best = KMeans(10, n_init=5, random_state=0).fit(standardized(ended, single)).inertia_ / len(rows)
    assert ended.description["msd"] < 1.01 * best
    assert [len(lines) for lines in written] == [700, 2300]
    squares = np.square(np.concatenate(written)[:, 1])
    assert ended.description["msd"] == pytest.approx(squares.mean(), rel=1e-6)


def test_a_feature_that_outweighs_all_others_is_named(tmp_path: Path) -> None:
    ended = run(job_on(tmp_path, WINE, 3, standardize="false", write_report="true"))
    (line,) = [line for line in ended.log.splitlines() if "One feature outweighs" in line]
    assert "WARNING" in line
    assert "feature 12 has 99.8 % of the variance of all features" in line
    assert "feature 12 has 99.8 % of the variance" in (tmp_path / "output/data/report.html").read_text()
    assert "standardization" not in json.loads((tmp_path / "model/kmeans.json").read_text())
    assert load_state(tmp_path / "model")[1].plain
    data = ["--content-type", CSV, "--data", str(tmp_path / "input/data/train")]
    done = resolve("--k", "2", *data, tmp_path / "output", tmp_path / "two.tar.gz")
    assert done.returncode == 0, done.stderr
    assert "feature 12 has 99.8 % of the variance" in (tmp_path / "two-data/report.html").read_text()
