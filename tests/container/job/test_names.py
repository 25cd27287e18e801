"""Names that are not valid text: errors that name them are reported as any other."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.container.job.job import Job, recordio

ROWS = np.arange(80, dtype=np.float32).reshape(20, 4)
MINIMAL = {"k": "3", "feature_dim": "4"}


@pytest.mark.parametrize(("variable", "value"), [("PYTHONIOENCODING", "utf-8:strict"), ("LC_ALL", "C")])
def test_a_fault_in_a_file_of_such_a_name(tmp_path: Path, variable: str, value: str) -> None:
    job = Job(tmp_path, MINIMAL)
    (job.folder("train") / os.fsdecode(b"\xff.pbr")).write_bytes(recordio(ROWS)[:-1])
    ended = job.ended(job.start(subprocess.STDOUT, **{variable: value}))
    assert ended.exit_code == 2, ended.log
    assert "(train/\\udcff.pbr, record 20: expected " in ended.failure
    assert "(train/\\udcff.pbr, record 20: expected " in ended.log
    assert "Traceback" not in ended.log


def test_a_model_of_a_job_full_of_such_names(tmp_path: Path) -> None:
    job = Job(tmp_path / os.fsdecode(b"\xfe"), {**MINIMAL, "sagemaker_\ud800": "\udcff"})
    (job.folder("train") / os.fsdecode(b"\xff.pbr")).write_bytes(recordio(ROWS))
    ended = job.ended(job.start(PYTHONIOENCODING="utf-8:strict"))
    assert ended.exit_code == 0, ended.log
    assert (job.base / "output/data/assignments/algo-1/%FF.pbr.csv").exists()
    assert (job.base / "output/data/report.html").exists()
    assert ended.description["hyperparameters"]["sagemaker_\ud800"] == "\udcff"
    assert "written:" not in ended.log


ODD_CONFIGURATION = {
    "channel": ({"train": {}, "\ud800": {}}, MINIMAL, "Extraneous channel found: \\ud800"),
    "content type": ({"train": {"ContentType": "\ud800"}}, MINIMAL, "\\ud800"),
    "hyperparameter": ({"train": {}}, {**MINIMAL, "\ud800": "1"}, "Extraneous hyperparameter found: '\\ud800'"),
    "value": ({"train": {}}, {**MINIMAL, "epochs": "\udcff"}, "\\udcff"),
}


@pytest.mark.parametrize("where", ODD_CONFIGURATION)
def test_what_is_no_text_in_the_configuration_is_reported(tmp_path: Path, where: str) -> None:
    channels, hyperparameters, expected = ODD_CONFIGURATION[where]
    job = Job(tmp_path, hyperparameters, json.loads(json.dumps(channels)))
    (job.folder("train") / "rows.pbr").write_bytes(recordio(ROWS))
    ended = job.run()
    assert ended.exit_code == 2, ended.log
    assert expected in ended.failure
