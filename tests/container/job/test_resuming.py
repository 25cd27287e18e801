"""Jobs that resume from a checkpoint of their own, or continue an earlier model."""

import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container.artifacts import mxnet_ndarray
from container.artifacts.model import load_state
from container.configuration.channels import MODEL, ChannelConfiguration
from container.errors import CustomerError
from container.job.given_model import read_earlier_model
from tests.container.job.job import Ended, Job, msd, recordio

Rows = NDArray[np.float32]
SMALL_STEPS = {
    "k": "10",
    "feature_dim": "64",
    "mini_batch_size": "20",
    "epochs": "3",
    "checkpoint_interval_seconds": "0",
    "refine_sample_size": "800",
    "half_life_time_size": "1500",
}
FILES = ("model/model_algo-1", "model/state.npz", "model/kmeans.json", "output/model.tar.gz")


def job_in(base: Path, rows: Rows, **changes: str) -> Job:
    job = Job(base, {**SMALL_STEPS, **changes})
    (job.folder("train") / "rows.pbr").write_bytes(recordio(rows))
    (base / "checkpoints").mkdir()
    return job


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, digits: Rows) -> Ended:
    ended = job_in(tmp_path_factory.mktemp("uninterrupted"), digits).run()
    assert ended.exit_code == 0, ended.log
    return ended


def killed_at(job: Job, step: int) -> None:
    """Start a job and kill it when it has kept a checkpoint of that step or a later one."""
    process = job.start()
    deadline = time.monotonic() + 120
    while not any(int(path.name[-12:]) >= step for path in (job.base / "checkpoints").glob("checkpoint-*[0-9]")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("step", [1, 120])
def test_a_killed_job_that_is_started_again_has_the_same_bytes(
    tmp_path: Path, digits: Rows, uninterrupted: Ended, step: int
) -> None:
    job = job_in(tmp_path, digits)
    killed_at(job, step)
    again = job.run()
    assert again.exit_code == 0, again.log
    assert int(re.findall(r"resuming from the checkpoint of step (\d+)", again.log)[0]) >= step
    for name in FILES:
        assert (again.base / name).read_bytes() == (uninterrupted.base / name).read_bytes(), name


def test_a_damaged_checkpoint_is_skipped(tmp_path: Path, digits: Rows, uninterrupted: Ended) -> None:
    job = job_in(tmp_path, digits)
    killed_at(job, 50)
    # One killed after it has written a checkpoint leaves three: it had no time to remove the oldest.
    *_, older, newest = sorted((tmp_path / "checkpoints").glob("checkpoint-*[0-9]"))
    newest.write_bytes(newest.read_bytes()[:-100])
    again = job.run()
    assert f"Skipping checkpoint {newest.name}" in again.log
    assert f"resuming from the checkpoint of step {int(older.name[-12:])}" in again.log
    assert again.centers.tobytes() == uninterrupted.centers.tobytes()


def test_a_stopped_job_resumes_where_it_stopped(tmp_path: Path, digits: Rows, uninterrupted: Ended) -> None:
    job = job_in(tmp_path, digits)
    process = job.start()
    checkpoints = tmp_path / "checkpoints"
    while not any(checkpoints.glob("checkpoint-*[0-9]")):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    stopped = job.ended(process)
    assert stopped.exit_code == 0, stopped.log
    assert "Stopped early by SIGTERM" in stopped.log
    shutil.rmtree(tmp_path / "model")
    again = job.run()
    assert again.centers.tobytes() == uninterrupted.centers.tobytes()


def test_a_job_that_has_ended_makes_its_model_again_without_reading(
    tmp_path: Path, digits: Rows, uninterrupted: Ended
) -> None:
    job = job_in(tmp_path, digits, write_assignments="false")
    assert job.run().exit_code == 0
    rows = tmp_path / "input/data/train/rows.pbr"
    rows.write_bytes(bytes(rows.stat().st_size))
    again = job.run()
    assert again.exit_code == 0, again.log
    assert again.centers.tobytes() == uninterrupted.centers.tobytes()


def test_checkpoints_of_another_job_are_skipped(tmp_path: Path, digits: Rows, uninterrupted: Ended) -> None:
    shutil.copytree(uninterrupted.base / "checkpoints", tmp_path / "checkpoints")
    job = Job(tmp_path, {**SMALL_STEPS, "seed": "5"})
    (job.folder("train") / "rows.pbr").write_bytes(recordio(digits))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert "it is of another job: seed was 0, is 5" in ended.log
    assert "resuming from" not in ended.log


CHANNELS = {"train": {"TrainingInputMode": "File"}, "model": {"ContentType": "application/x-sagemaker-model"}}
ONE_EPOCH = {"k": "10", "feature_dim": "64", "refine_sample_size": "0"}


@pytest.mark.parametrize("form", ["folder", "tarball"])
def test_our_model_is_continued_with_its_weights(tmp_path: Path, digits: Rows, form: str) -> None:
    first = Job(tmp_path / "first", ONE_EPOCH)
    (first.folder("train") / "rows.pbr").write_bytes(recordio(digits[:900]))
    assert first.run().exit_code == 0
    second = Job(tmp_path / "second", ONE_EPOCH, CHANNELS)
    (second.folder("train") / "rows.pbr").write_bytes(recordio(digits[900:]))
    if form == "folder":
        shutil.copytree(first.base / "model", second.folder("model"), dirs_exist_ok=True)
    else:
        shutil.copy(first.base / "output/model.tar.gz", second.folder("model"))
    ended = second.run()
    assert ended.exit_code == 0, ended.log
    assert re.search(r"continuing from \d+ centers, of 900 rows", ended.log)
    assert load_state(ended.base / "model")[0].weights.sum() == pytest.approx(len(digits))
    # It knows the rows of both jobs.
    assert msd(digits, ended.centers) < 1.1 * msd(digits, first_and_second(tmp_path / "both", digits).centers)


def first_and_second(base: Path, rows: Rows) -> Ended:
    job = Job(base, ONE_EPOCH)
    (job.folder("train") / "rows.pbr").write_bytes(recordio(rows))
    return job.run()


def test_a_bare_model_of_the_built_in_is_continued(tmp_path: Path, digits: Rows) -> None:
    job = Job(tmp_path, {**ONE_EPOCH, "extra_center_factor": "1"}, CHANNELS)
    (job.folder("train") / "rows.pbr").write_bytes(recordio(digits))
    centers = np.stack([digits[i::10].mean(axis=0) for i in range(10)])
    mxnet_ndarray.write(job.folder("model") / "model_algo-1", centers)
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert "continuing from 10 centers, of 0 rows" in ended.log
    assert msd(digits, ended.centers) < msd(digits, centers)


@pytest.mark.parametrize(
    ("array", "value", "expected"),
    [
        ("centers", 1e308, "expected centers in the range of float32, as rows are, got 1e+308"),
        ("centers", -1.7e308, "expected centers in the range of float32, as rows are, got -1.7e+308"),
        ("centers", np.nan, "expected finite centers, got NaN or infinity"),
        ("weights", 1e308, "expected weights of 1e+100 at most in all, got inf"),
        ("weights", -1.0, "expected weights of 0 or more, got -1.0"),
        ("sample_weights", 1e308, "expected sample_weights of 1e+100 at most in all, got inf"),
    ],
)
def test_numbers_in_the_model_channel_that_cannot_be(
    tmp_path: Path, uninterrupted: Ended, array: str, value: float, expected: str
) -> None:
    channel = earlier(tmp_path / "model", uninterrupted.base, array, value)
    with pytest.raises(CustomerError) as error:
        read_earlier_model(channel, 64)
    assert error.value.message == f"Channel model: {channel.path}: state.npz: {expected}"


@pytest.mark.parametrize(("array", "value"), [("centers", 3.4e38), ("weights", 9e97), ("weights", 0.0)])
def test_a_job_resumes_from_the_largest_numbers_with_a_finite_model(
    tmp_path: Path, digits: Rows, uninterrupted: Ended, array: str, value: float
) -> None:
    job = Job(tmp_path, {**ONE_EPOCH, "write_report": "false", "write_assignments": "false"}, CHANNELS)
    (job.folder("train") / "rows.pbr").write_bytes(recordio(digits))
    earlier(job.folder("model"), uninterrupted.base, array, value)
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert np.isfinite(ended.centers).all()
    assert np.isfinite(load_state(ended.base / "model")[0].weights).all()
    assert "RuntimeWarning" not in ended.log


def earlier(folder: Path, base: Path, array: str, value: float) -> ChannelConfiguration:
    """Write a model into a channel, as earlier releases did; the numbers of one array of its state are all `value`."""
    shutil.copytree(base / "model", folder, dirs_exist_ok=True)
    shutil.copy(base / "output/data/state.npz", folder)
    with np.load(folder / "state.npz") as state:
        arrays = dict(state)
    arrays[array] = np.full_like(arrays[array], value)
    np.savez(folder / "state.npz", **arrays)
    return ChannelConfiguration("model", MODEL, None, "File", "FullyReplicated", folder)


@pytest.mark.parametrize(
    ("feature_dim", "expected"),
    [(63, "expected a model of feature_dim 64, got one of 63"), (None, "expected one file named model_<host>")],
)
def test_faults_of_the_model_channel(tmp_path: Path, digits: Rows, feature_dim: int | None, expected: str) -> None:
    job = Job(tmp_path, ONE_EPOCH, CHANNELS)
    (job.folder("train") / "rows.pbr").write_bytes(recordio(digits))
    if feature_dim:
        mxnet_ndarray.write(job.folder("model") / "model_algo-1", np.ones((3, feature_dim), np.float32))
    else:
        job.folder("model")
    ended = job.run()
    assert ended.exit_code == 2, ended.log
    assert "Channel model" in ended.failure
    assert expected in ended.failure
