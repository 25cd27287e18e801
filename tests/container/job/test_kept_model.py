"""Jobs of no epochs, which keep the model of the channel `model`: they assign rows to it, and score it."""

import json
import os
import re
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container.artifacts import mxnet_ndarray
from container.artifacts.model import load, load_state
from tests.container.job.job import Ended, Job, csv, msd, recordio

Rows = NDArray[np.float32]
GIVEN = {"k": "10", "feature_dim": "64"}
KEEP = {**GIVEN, "epochs": "0"}
FILES = ("model/model_algo-1", "model/state.npz", "model/kmeans.json", "output/model.tar.gz", "output/data/state.npz")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, digits: Rows) -> Ended:
    job = Job(tmp_path_factory.mktemp("trained"), GIVEN)
    (job.folder("train") / "rows.pbr").write_bytes(recordio(digits[:900]))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    return ended


def job_with(base: Path, model: Path, rows: Rows, mode: str = "File", **changes: str) -> Job:
    """Return a job of no epochs with the model of a folder."""
    job = Job(base, {**KEEP, **changes}, {"train": {"TrainingInputMode": mode}, "test": {}, "model": {}})
    (job.folder("train") / "rows.pbr").write_bytes(recordio(rows))
    (job.folder("test") / "rows.pbr").write_bytes(recordio(rows[::3]))
    shutil.copytree(model, job.folder("model"), dirs_exist_ok=True)
    return job


def assigned(ended: Ended) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.loadtxt(
        ended.base / "output/data/assignments/algo-1/rows.pbr.csv", delimiter=",", skiprows=1
    )
    return found


def distances(rows: Rows, centers: Rows) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.linalg.norm(rows[:, None].astype(np.float64) - centers[None], axis=2)
    return found


def test_the_centers_stay_and_the_rows_are_assigned_and_scored(tmp_path: Path, digits: Rows, trained: Ended) -> None:
    (tmp_path / "checkpoints").mkdir()
    ended = job_with(tmp_path, trained.base / "model", digits).run()
    assert ended.exit_code == 0, ended.log
    name = "model/model_algo-1"
    assert (ended.base / name).read_bytes() == (trained.base / name).read_bytes()
    assert "keeping 10 centers: the rows are assigned to them, and do not move them" in ended.log
    found = distances(digits, trained.centers)
    labels = found.argmin(axis=1)
    np.testing.assert_array_equal(assigned(ended)[:, 0], labels)
    np.testing.assert_allclose(assigned(ended)[:, 1], found.min(axis=1), rtol=1e-6)
    description = ended.description
    np.testing.assert_array_equal(description["cluster_sizes"], np.bincount(labels))
    assert description["msd"] == pytest.approx(msd(digits, trained.centers), rel=1e-12)
    assert description["msd_is_exact"]
    assert description["rows"] == description["rows_seen"] == len(digits)
    assert description["davies_bouldin"] > 0.0
    (test_msd,) = re.findall(r"test msd <loss>=([0-9.e+-]+)", ended.log)
    assert float(test_msd) == pytest.approx(msd(digits[::3], trained.centers), rel=1e-12)
    curve = json.loads((ended.base / "output/data/msd_by_k.json").read_text())
    assert [one["k"] for one in curve["msd_by_k"]] == [10]
    assert "in 1 epoch" in (ended.base / "output/data/report.html").read_text()
    # What is left of these rows.
    state, _ = load_state(ended.base / "model")
    assert state.weights.sum() == len(digits)
    assert state.spreads is not None
    means = np.stack([digits[labels == label].mean(axis=0, dtype=np.float64) for label in range(10)])
    np.testing.assert_allclose(state.centers, means, rtol=1e-12)
    around = [((digits[labels == label] - means[label]) ** 2).sum() for label in range(10)]
    np.testing.assert_allclose(state.spreads, around, rtol=1e-9)
    assert not list((tmp_path / "checkpoints").iterdir())


def test_the_mode_and_the_size_of_a_mini_batch_do_not_matter(tmp_path: Path, digits: Rows, trained: Ended) -> None:
    ended = [
        job_with(tmp_path / name, trained.base / "model", digits, mode, mini_batch_size=size).run()
        for name, mode, size in (("a", "File", "5000"), ("b", "FastFile", "100"))
    ]
    assert [one.exit_code for one in ended] == [0, 0], ended[1].log
    assert ended[0].description["cluster_sizes"] == ended[1].description["cluster_sizes"]
    assert ended[0].description["msd"] == pytest.approx(ended[1].description["msd"], rel=1e-12)
    assert "No assignments are written in FastFile mode" in ended[1].log


def test_rows_may_come_through_a_pipe(tmp_path: Path, digits: Rows, trained: Ended) -> None:
    job = job_with(tmp_path, trained.base / "model", digits, "Pipe")
    shutil.rmtree(job.folder("train"))
    fifo = tmp_path / "input/data/train_0"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(recordio(digits)))
    writer.start()
    ended = job.run()
    writer.join()
    assert ended.exit_code == 0, ended.log
    assert ended.centers.tobytes() == trained.centers.tobytes()
    assert ended.description["msd"] == pytest.approx(msd(digits, trained.centers), rel=1e-12)
    assert "No assignments are written in Pipe mode" in ended.log


def test_a_bare_table_becomes_the_model_and_another_run_has_the_same_bytes(tmp_path: Path, digits: Rows) -> None:
    centers = np.stack([digits[i::10].mean(axis=0) for i in range(10)])
    (tmp_path / "table").mkdir()
    (tmp_path / "table/centers.csv").write_bytes(csv(centers))
    first, second = (job_with(tmp_path / name, tmp_path / "table", digits).run() for name in "ab")
    assert first.exit_code == 0, first.log
    assert first.centers.tobytes() == centers.tobytes()
    for name in FILES:
        assert (first.base / name).read_bytes() == (second.base / name).read_bytes(), name
    assert first.description["msd"] == pytest.approx(msd(digits, centers), rel=1e-12)


def test_a_standardized_model_is_kept_with_its_scales(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scales = np.array([1e-3, 1.0, 1e4])
    rows = (rng.normal(size=(1000, 3)) * scales + 5.0 * scales).astype(np.float32)
    small = {"k": "4", "feature_dim": "3", "standardize": "true"}
    first = Job(tmp_path / "first", {**small, "feature_names": "a,b,c"})
    (first.folder("train") / "rows.pbr").write_bytes(recordio(rows[:500]))
    trained = first.run()
    assert trained.exit_code == 0, trained.log
    others = (rows[500:] * 3.0).astype(np.float32)
    ended = job_with(tmp_path / "second", trained.base / "model", others, **small).run()
    assert ended.exit_code == 0, ended.log
    assert ended.centers.tobytes() == trained.centers.tobytes()
    assert ended.description["standardization"] == trained.description["standardization"]
    assert ended.description["feature_names"] == ["a", "b", "c"]
    divisors = np.array(trained.description["standardization"]["scales"])
    found = distances(others / divisors, trained.centers / divisors)
    np.testing.assert_array_equal(assigned(ended)[:, 0], found.argmin(axis=1))
    np.testing.assert_allclose(assigned(ended)[:, 1], found.min(axis=1), rtol=1e-4)
    refused = job_with(tmp_path / "third", trained.base / "model", others, **{**small, "standardize": "false"}).run()
    assert refused.exit_code == 2
    assert "expected a model trained with standardize=false, as this job is" in refused.failure


@pytest.mark.parametrize("standardize", ["false", "true"])
def test_what_fills_gaps_is_kept(tmp_path: Path, standardize: str) -> None:
    rows = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    rows[::7, 1] = np.nan
    small = {"k": "3", "feature_dim": "3", "missing": "mean", "standardize": standardize}
    first = Job(tmp_path / "first", small)
    (first.folder("train") / "rows.pbr").write_bytes(recordio(rows[:500]))
    trained = first.run()
    assert trained.exit_code == 0, trained.log
    job = job_with(tmp_path / "second", trained.base / "model", rows[500:] * 2.0, **small)
    kept = job.run()
    assert kept.exit_code == 0, kept.log
    assert kept.centers.tobytes() == trained.centers.tobytes()
    assert kept.description["missing_numbers"] == trained.description["missing_numbers"]
    assert kept.description["events"]["filled_rows"] == np.isnan(rows[500:]).any(axis=1).sum()


def test_a_model_of_directions_is_kept(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(600, 5)).astype(np.float32)
    (tmp_path / "table").mkdir()
    np.save(tmp_path / "table/centers.npy", rows[:3] * 100.0)
    ended = job_with(tmp_path / "job", tmp_path / "table", rows, k="3", feature_dim="5", distance="cosine").run()
    assert ended.exit_code == 0, ended.log
    unit = rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(ended.centers, unit[:3], atol=1e-7)
    found = 1.0 - unit @ unit[:3].T
    np.testing.assert_array_equal(assigned(ended)[:, 0], found.argmin(axis=1))
    np.testing.assert_allclose(assigned(ended)[:, 1], found.min(axis=1), atol=1e-6)
    assert load(ended.base / "model").coordinates.unit
    # Kept again, it has the same bytes.
    again = job_with(tmp_path / "again", ended.base / "model", rows, k="3", feature_dim="5", distance="cosine").run()
    assert again.centers.tobytes() == ended.centers.tobytes()


def test_centers_that_float32_cannot_hold_are_kept_in_float64(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = 1.7e9 + rng.integers(0, 3, 600) * 1000.0 + rng.normal(size=600)
    first = Job(tmp_path / "first", {"k": "3", "feature_dim": "1"}, {"train": {"ContentType": "text/csv"}})
    (first.folder("train") / "rows.csv").write_text("".join(f"{one!r}\n" for one in times.tolist()))
    trained = first.run()
    assert trained.exit_code == 0, trained.log
    second = Job(tmp_path / "second", {"k": "3", "feature_dim": "1", "epochs": "0"},
                 {"train": {"ContentType": "text/csv"}, "model": {}})  # fmt: skip
    shutil.copytree(first.base / "input/data/train", second.folder("train"), dirs_exist_ok=True)
    shutil.copytree(first.base / "model", second.folder("model"), dirs_exist_ok=True)
    kept = second.run()
    assert kept.exit_code == 0, kept.log
    assert kept.description["centers"] == trained.description["centers"]
    assert kept.description["msd"] == pytest.approx(trained.description["msd"], rel=1e-6)


@pytest.mark.parametrize(
    ("n_centers", "expected"),
    [
        (12, "Channel model: expected a model of k = 10 centers, which epochs=0 keeps, got one of 12"),
        (None, "Hyperparameter epochs: expected 1 or more without a channel named model, got 0"),
    ],
)
def test_what_cannot_be_kept(tmp_path: Path, digits: Rows, n_centers: int | None, expected: str) -> None:
    job = Job(tmp_path, KEEP)
    (job.folder("train") / "rows.pbr").write_bytes(recordio(digits))
    if n_centers:
        job.channels = {**job.channels, "model": {}}
        mxnet_ndarray.write(job.folder("model") / "model_algo-1", digits[:n_centers])
    ended = job.run()
    assert ended.exit_code == 2, ended.log
    assert expected in ended.failure


def test_a_job_that_is_stopped_scores_what_it_has_read(tmp_path: Path, digits: Rows, trained: Ended) -> None:
    job = job_with(tmp_path, trained.base / "model", digits, "Pipe", mini_batch_size="100")
    shutil.rmtree(job.folder("train"))
    fifo = tmp_path / "input/data/train_0"
    os.mkfifo(fifo)
    process = job.start()
    with fifo.open("wb") as pipe:
        pipe.write(recordio(digits[:500]))
        pipe.flush()
        assert process.stdout is not None
        head = ""
        while "keeping 10 centers" not in head:
            head += process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=120)
    assert process.returncode == 0, log
    (count,) = re.findall(r"Stopped early by SIGTERM after (\d+) examples; the model is scored on these", log)
    assert 0 < int(count) <= 500
    assert Ended(tmp_path, 0, log).description["rows"] == int(count)
