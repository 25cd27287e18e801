"""Jobs whose disk is full or read-only: a model that can be written is not lost; one that can't is reported at once."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from container.artifacts import disk_space
from container.errors import PlatformError
from container.job.best_effort import warn_on_failure
from kmeans.events import Events
from tests.container.disk import READ_ONLY, files_in, room_for
from tests.container.job.job import TOP, Job, recordio

ROWS = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
MINIMAL = {"k": "3", "feature_dim": "8", "mini_batch_size": "100", "checkpoint_interval_seconds": "0"}
BESIDE = (
    "model.tar.gz, for local use, was",
    "msd_by_k.json was",
    "state.npz, with the sample, was",
    "The assignments were",
    "The report was",
)


def job_in(base: Path, **changes: str) -> Job:
    job = Job(base, {**MINIMAL, **changes})
    (job.folder("train") / "rows.pbr").write_bytes(recordio(ROWS))
    return job


def test_an_output_folder_that_cannot_be_written_costs_warnings_and_no_model(tmp_path: Path) -> None:
    job = job_in(tmp_path, write_assignments="true")
    (tmp_path / "output").symlink_to(READ_ONLY)
    (tmp_path / "checkpoints").symlink_to(READ_ONLY)
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert ended.centers.shape == (3, 8)
    assert files_in(tmp_path / "model") == ["kmeans.json", "model_algo-1", "state.npz"]
    for fault in BESIDE:
        assert re.search(rf"WARNING \d+\] {re.escape(fault)} not (all )?written: .*{tmp_path}/output", ended.log), fault
    failed = re.findall(rf"WARNING \d+\] A checkpoint was not written: .*{tmp_path}/checkpoints", ended.log)
    assert len(failed) == ended.description["events"]["checkpoints_failed"] > 0
    assert "Traceback" not in ended.log


def test_files_that_outgrow_the_disk_cost_warnings_that_name_them(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    whole = job.run()
    # Each of the model's files has room, their tarball has not.
    largest = max(path.stat().st_size for path in (tmp_path / "model").iterdir())
    shutil.rmtree(tmp_path / "model")
    shutil.rmtree(tmp_path / "output")
    with room_for(largest):
        process = job.start()
    ended = job.ended(process)
    assert ended.exit_code == 0, ended.log
    assert ended.centers.tobytes() == whole.centers.tobytes()
    assert f"was not written: [Errno 27] File too large: '{tmp_path}/output/model.tar.gz'" in ended.log
    assert f"was not written: [Errno 27] File too large: '{tmp_path}/output/data/report.html'" in ended.log
    assert "data/msd_by_k.json" in files_in(tmp_path / "output")
    assert not [name for name in files_in(tmp_path) if "partial" in name or "model.tar.gz" in name]


def test_no_tarball_of_another_model_stays_where_there_is_no_room_for_one(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    assert job.run().exit_code == 0
    assert "model.tar.gz" in files_in(tmp_path / "output")
    largest = max(path.stat().st_size for path in (tmp_path / "model").iterdir())
    with room_for(largest):
        process = job.start()
    ended = job.ended(process)
    assert ended.exit_code == 0, ended.log
    assert "model.tar.gz, for local use, was not written: " in ended.log
    assert "model.tar.gz" not in files_in(tmp_path / "output")


def test_a_model_folder_that_cannot_be_written_is_reported_before_the_first_row_is_read(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    (tmp_path / "model").symlink_to(READ_ONLY)
    ended = job.run()
    assert ended.exit_code == 3, ended.log
    assert ended.failure.startswith(f"Platform Error: {tmp_path}/model: expected a folder to write the model to, got ")
    assert "#metrics" not in ended.log


def test_room_for_the_model_is_looked_at_without_making_its_folder(tmp_path: Path) -> None:
    disk_space.require(tmp_path / "some" / "model", 1)
    assert files_in(tmp_path) == []
    with pytest.raises(
        PlatformError, match=r"some/model: expected room for a model of 1,152,921,504,606,846,976 bytes"
    ):
        disk_space.require(tmp_path / "some" / "model", 1 << 60)
    (tmp_path / "model").symlink_to(tmp_path / "nowhere")
    with pytest.raises(PlatformError, match="model: expected a folder to write the model to, got No such file"):
        disk_space.require(tmp_path / "model", 1)


def test_a_log_that_nobody_reads_costs_no_model(tmp_path: Path) -> None:
    process = job_in(tmp_path).start(subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        output = process.stderr.read()
    assert process.wait(60) == 0, output
    assert output == "Lines of the log are lost: [Errno 32] Broken pipe\n"
    assert files_in(tmp_path / "model") == ["kmeans.json", "model_algo-1", "state.npz"]
    assert not (tmp_path / "output" / "failure").exists()


def test_a_job_whose_outputs_are_closed_leaves_a_model(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job.configure()
    code = f"import os; os.close(1); os.close(2); os.execv({str(TOP / 'train')!r}, ['train'])"
    done = subprocess.run([sys.executable, "-c", code], env=job.environment(), timeout=60, check=False)
    assert done.returncode == 0
    assert files_in(tmp_path / "model") == ["kmeans.json", "model_algo-1", "state.npz"]


def test_an_error_without_a_message_is_named_by_its_class() -> None:
    messages: list[str] = []
    events = Events(messages.append)

    def run_out_of_memory() -> None:
        raise MemoryError

    with warn_on_failure(events, "curve_failed", "The curve was not written"):
        run_out_of_memory()
    assert messages == ["The curve was not written: MemoryError"]
    assert events.counts == {"curve_failed": 1}
