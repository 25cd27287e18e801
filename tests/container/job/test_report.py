"""The report of a job."""

import logging
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container.configuration import files as configuration
from container.configuration.files import Paths
from container.errors import CustomerError
from container.job import training
from container.logs.logger import LOGGER, KeptWarnings
from container.report.formatting import number
from container.stopping import Stop
from kmeans.communicator import SingleHost
from tests.container.job.job import Job, msd, recordio

HYPERPARAMETERS = {"k": "10", "feature_dim": "64"}
CHANNELS = {"train": {"TrainingInputMode": "File"}, "test": {"TrainingInputMode": "File"}}


def test_it_tells_of_the_job_and_its_warnings(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, {**HYPERPARAMETERS, "mini_batch_size": "600", "epochs": "2", "_kvstore": "<b>8</b>"}, CHANNELS)
    (job.folder("train") / "rows").write_bytes(recordio(digits))
    (job.folder("test") / "rows").write_bytes(recordio(digits[:1000]))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    page = (tmp_path / "output/data/report.html").read_text()
    assert "<li>Hyperparameter _kvstore has no effect here.</li>" in page
    assert "&lt;b&gt;8&lt;/b&gt;" in page
    assert "<dd>3,594<small>in 2 epochs</small></dd>" in page
    assert '"x":[1,2,3,4,5,6]' in page
    assert f"<dd>{number(msd(digits[:1000], ended.centers))}<small>of 1,000 rows</small></dd>" in page
    assert "report.html, in " in ended.log


def test_it_is_not_written_if_turned_off(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, {**HYPERPARAMETERS, "write_report": "false"})
    (job.folder("train") / "rows").write_bytes(recordio(digits))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert not (tmp_path / "output/data/report.html").exists()


def test_the_model_stands_when_it_cannot_be_written(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, HYPERPARAMETERS)
    (job.folder("train") / "rows").write_bytes(recordio(digits))
    (tmp_path / "output/data/report.html").mkdir(parents=True)
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert ended.centers.shape == (10, 64)
    assert "WARNING" in ended.log
    assert "The report was not written" in ended.log


def test_a_job_that_fails_leaves_no_handler_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(tmp_path, HYPERPARAMETERS)
    job.folder("train")
    job.configure()
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    before = list(LOGGER.handlers)
    with pytest.raises(CustomerError):
        training.run(configuration.load(Paths.from_environment()), SingleHost(), Stop(), 0.0)
    assert LOGGER.handlers == before


def test_warnings_are_kept_up_to_a_number_and_a_length() -> None:
    logger = logging.Logger("test")
    kept = KeptWarnings()
    logger.addHandler(kept)
    logger.info("nothing to worry about")
    for count in range(KeptWarnings.MAX_MESSAGES + 3):
        logger.warning("%d %s", count, "x" * 9999)
    assert [message.split()[0] for message in kept.messages] == [str(n) for n in range(KeptWarnings.MAX_MESSAGES)]
    assert max(map(len, kept.messages)) == KeptWarnings.MAX_LENGTH
    assert kept.left_out == 3
