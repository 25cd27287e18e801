"""Jobs that end before their last epoch, since more epochs do not pay."""

import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.container.job.job import Ended, Job, recordio
from tests.container.job.test_resuming import killed_at

Rows = NDArray[np.float32]
SMALL = {"k": "10", "feature_dim": "64", "mini_batch_size": "100", "checkpoint_interval_seconds": "0"}
STOPPING = {"epochs": "20", "early_stopping_tolerance": "0.02"}
FILES = ("model/model_algo-1", "model/state.npz", "model/kmeans.json", "output/model.tar.gz")


def job_in(base: Path, rows: Rows, mode: str = "File", **changes: str) -> Job:
    job = Job(base, {**SMALL, **STOPPING, **changes}, {"train": {"TrainingInputMode": mode}})
    (job.folder("train") / "rows.pbr").write_bytes(recordio(rows))
    return job


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, digits: Rows) -> Ended:
    ended = job_in(tmp_path_factory.mktemp("stopped"), digits).run()
    assert ended.exit_code == 0, ended.log
    return ended


def epochs_of(ended: Ended) -> int:
    (found,) = re.findall(r"No further epoch: epoch (\d+) of 20 lowered the loss", ended.log)
    return int(found)


def test_the_stream_ends_once_its_loss_falls_by_no_more_than_the_tolerance(stopped: Ended) -> None:
    found = re.findall(r"the msd of the stream was ([0-9.]+), and ([0-9.]+) in the epoch before", stopped.log)
    latest, before = map(float, found[0])
    assert 0.98 * before <= latest < before
    epochs = epochs_of(stopped)
    assert 2 < epochs < 20
    assert stopped.description["events"]["epochs_left_out"] == 20 - epochs
    assert stopped.description["rows_seen"] == 1797 * epochs
    assert f"in {epochs} epochs" in (stopped.base / "output/data/report.html").read_text()


def test_the_model_is_that_of_a_job_with_so_many_epochs(tmp_path: Path, digits: Rows, stopped: Ended) -> None:
    epochs = str(epochs_of(stopped))
    whole = job_in(tmp_path, digits, epochs=epochs, early_stopping_tolerance="0").run()
    assert "No further epoch" not in whole.log
    for name in FILES[:2]:
        assert (whole.base / name).read_bytes() == (stopped.base / name).read_bytes(), name
    assert "epochs_left_out" not in whole.description["events"]


@pytest.mark.parametrize("step", [1, 40])
def test_a_killed_job_decides_the_same(tmp_path: Path, digits: Rows, stopped: Ended, step: int) -> None:
    job = job_in(tmp_path, digits)
    (tmp_path / "checkpoints").mkdir()
    killed_at(job, step)
    again = job.run()
    assert again.exit_code == 0, again.log
    assert "resuming from the checkpoint of step" in again.log
    for name in FILES:
        assert (again.base / name).read_bytes() == (stopped.base / name).read_bytes(), name
    # One that has ended ends again at once.
    once_more = job.run()
    assert epochs_of(once_more) == epochs_of(stopped)
    assert (once_more.base / FILES[2]).read_bytes() == (stopped.base / FILES[2]).read_bytes()


def test_no_further_pipe_is_opened(tmp_path: Path, digits: Rows) -> None:
    channels = {"train": {"TrainingInputMode": "Pipe"}}
    job = Job(tmp_path, {**SMALL, **STOPPING, "early_stopping_tolerance": "1"}, channels)
    (tmp_path / "input/data").mkdir(parents=True)
    fifos = [tmp_path / f"input/data/train_{number}" for number in range(3)]
    for fifo in fifos:
        os.mkfifo(fifo)

    def feed() -> None:
        for fifo in fifos[:2]:
            fifo.write_bytes(recordio(digits))

    writer = threading.Thread(target=feed)
    writer.start()
    ended = job.run()
    writer.join()
    assert ended.exit_code == 0, ended.log
    assert epochs_of(ended) == 2


def test_a_stream_that_decays_stops_too(tmp_path: Path, digits: Rows) -> None:
    """Its loss varies about a level."""
    ended = job_in(tmp_path, digits, half_life_time_size="500", early_stopping_tolerance="0.001").run()
    assert ended.exit_code == 0, ended.log
    assert 2 <= epochs_of(ended) < 20
