"""SIGTERM and Ctrl-C, at any moment of a job: a model of what it has, or a sentence that says why there is none."""

import array
import fcntl
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.container.job.job import TOP, Job, csv, recordio

MINIMAL = {"k": "10", "feature_dim": "64"}
# Each of many trials takes a while.
LONG = {"k": "500", "feature_dim": "20", "mini_batch_size": "1000", "local_lloyd_num_trials": "2000"}


def read_until(process: "subprocess.Popen[str]", pattern: str) -> str:
    """Read the log up to a line."""
    assert process.stdout is not None
    seen = ""
    while not re.search(pattern, seen):
        line = process.stdout.readline()
        assert line, seen
        seen += line
    return seen


@contextmanager
def piped(folder: Path, **hyperparameters: str) -> Iterator[tuple[Job, BinaryIO]]:
    """Return a job in Pipe mode, and the pipe, which stays open."""
    job = Job(folder, {**MINIMAL, **hyperparameters}, {"train": {"TrainingInputMode": "Pipe"}})
    fifo = folder / "input/data/train_0"
    fifo.parent.mkdir(parents=True)
    os.mkfifo(fifo)
    with fifo.open("r+b", buffering=0) as pipe:
        yield job, pipe


def wait_for_empty(pipe: BinaryIO) -> None:
    """Return when the other side has taken what was written."""
    fifo = os.open(f"/proc/self/fd/{pipe.fileno()}", os.O_RDONLY | os.O_NONBLOCK)
    try:
        deadline = time.monotonic() + 60
        while unread(fifo):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.close(fifo)


def unread(fifo: int) -> int:
    """Return the bytes that a pipe holds."""
    size = array.array("i", [0])
    fcntl.ioctl(fifo, termios.FIONREAD, size)
    return size[0]


@pytest.mark.parametrize(
    ("stage", "signum", "changes"),
    [
        ("seed 0", signal.SIGTERM, {"init_method": "kmeans++", "extra_center_factor": "30"}),
        (r"shrinking \d+ centers into 500", signal.SIGTERM, {}),
        (r"shrinking \d+ centers into 500", signal.SIGINT, {}),
    ],
)
def test_a_long_stage_ends_with_the_best_model_so_far(
    tmp_path: Path, stage: str, signum: int, changes: dict[str, str]
) -> None:
    job = Job(tmp_path, {**LONG, **changes})
    rows = np.random.default_rng(0).standard_normal((15_000, 20)).astype(np.float32)
    (job.folder("train") / "rows.pbr").write_bytes(recordio(rows))
    process = job.start(SAGEMAKER_KMEANS_GRACE_SECONDS="0")
    read_until(process, stage)
    process.send_signal(signum)
    ended = job.ended(process)
    assert ended.exit_code == 0, ended.log
    assert "There was no time to look for a better model" in ended.log
    assert f"Stopped early by {signal.Signals(signum).name}" in ended.log
    assert "Traceback" not in ended.log
    assert ended.centers.shape == (500, 20)
    assert len(np.unique(ended.centers, axis=0)) == 500
    assert not (tmp_path / "output/failure").exists()


def test_the_second_interrupt_ends_the_job_at_once(tmp_path: Path) -> None:
    job = Job(tmp_path, LONG)
    rows = np.random.default_rng(0).standard_normal((3_000, 20)).astype(np.float32)
    (job.folder("train") / "rows.pbr").write_bytes(recordio(rows))
    process = job.start(SAGEMAKER_KMEANS_GRACE_SECONDS="1000")
    read_until(process, r"shrinking \d+ centers into 500")
    # Two that are not taken yet count as one.
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    ended = job.ended(process)
    # A third one may meet an interpreter that is on its way out, where Python has no handlers any more.
    assert ended.exit_code in (130, -signal.SIGINT), ended.log
    assert "Traceback" not in ended.log
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("content_type", ["application/x-recordio-protobuf", "text/csv"])
def test_rows_of_an_unfinished_first_mini_batch_make_a_model(
    tmp_path: Path, digits: NDArray[np.float32], content_type: str
) -> None:
    with piped(tmp_path) as (job, pipe):
        job.channels["train"]["ContentType"] = content_type
        process = job.start()
        read_until(process, "seed 0")
        pipe.write((csv if content_type == "text/csv" else recordio)(digits[:100]))
        wait_for_empty(pipe)
        process.send_signal(signal.SIGTERM)
        ended = job.ended(process)
    assert ended.exit_code == 0, ended.log
    assert "Stopped early by SIGTERM after 100 examples" in ended.log
    assert ended.description["rows_seen"] == 100


def test_too_few_rows_of_a_stopped_job(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    with piped(tmp_path) as (job, pipe):
        process = job.start()
        read_until(process, "seed 0")
        pipe.write(recordio(digits[:7]))
        wait_for_empty(pipe)
        process.send_signal(signal.SIGTERM)
        ended = job.ended(process)
    assert ended.exit_code == 2, ended.log
    assert ended.failure.startswith("Customer Error: The job was stopped after 7 rows; there is no model: k = 10")


@pytest.mark.parametrize(
    ("place", "signum"),
    [("silent pipe", signal.SIGTERM), ("pipe without a writer", signal.SIGINT), ("no pipe", signal.SIGTERM)],
)
def test_a_job_that_is_stopped_before_a_row_came_says_so(tmp_path: Path, place: str, signum: int) -> None:
    job = Job(tmp_path, MINIMAL, {"train": {"TrainingInputMode": "Pipe"}})
    fifo = tmp_path / "input/data/train_0"
    fifo.parent.mkdir(parents=True)
    if place != "no pipe":
        os.mkfifo(fifo)
    process = job.start()
    with fifo.open("r+b", buffering=0) if place == "silent pipe" else nullcontext():
        read_until(process, "seed 0")
        process.send_signal(signum)
        ended = job.ended(process)
    assert ended.exit_code == 2, ended.log
    assert ended.failure == "Customer Error: The job was stopped before any row arrived; there is no model"


def test_counting_the_rows_of_a_large_channel_ends(tmp_path: Path) -> None:
    """It would take a minute to come to the last file, which is no good one."""
    job = Job(tmp_path, {**MINIMAL, "feature_dim": "2"}, {"train": {"ContentType": "text/csv"}})
    folder = job.folder("train")
    (folder / "rows.csv").write_bytes(b"".join(b"%d,%d\n" % (i, i * i) for i in range(10_000)) * 20)
    for number in range(10_000):
        os.link(folder / "rows.csv", folder / f"{number}.csv")
    (folder / "z.csv").write_text("1,2,3,4\n")
    process = job.start(SAGEMAKER_KMEANS_GRACE_SECONDS="0")
    read_until(process, "seed 0")
    process.send_signal(signal.SIGTERM)
    ended = job.ended(process)
    assert ended.exit_code == 0, ended.log
    assert ended.description["rows_seen"] == 5000


# Replaces numpy: reports that it is being imported, and waits until it may continue.
WAITING = """
import os, sys
with open(os.environ["IMPORTING"]) as gate:
    gate.read()
sys.path.remove(os.path.dirname(__file__))
del sys.modules["numpy"]
import numpy
"""


@contextmanager
def during_imports(folder: Path, command: list[str], **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a program, and yield it while it imports numpy; it continues when the block ends."""
    modules, gate = folder / "modules", folder / "gate"
    modules.mkdir()
    (modules / "numpy.py").write_text(WAITING)
    os.mkfifo(gate)
    given = {"PYTHONPATH": str(modules), "IMPORTING": str(gate), **environment}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        command,
        cwd=TOP,
        env={**os.environ, "PATH": path, **given},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with gate.open("w"):
        yield process


def test_sigterm_while_the_program_is_being_loaded(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, MINIMAL)
    (job.folder("train") / "digits.pbr").write_bytes(recordio(digits))
    job.configure()
    with during_imports(tmp_path, [str(TOP / "train")], SAGEMAKER_BASE_DIR=str(tmp_path)) as process:
        process.send_signal(signal.SIGTERM)
    ended = job.ended(process)
    assert ended.exit_code == 0, ended.log
    assert "Stopped early by SIGTERM after 1797 examples" in ended.log


@pytest.mark.parametrize(
    "command",
    [["serve"], ["-m", "container.convert"], ["-m", "container.resolve"], ["-m", "container.algorithm"]],
    ids=lambda command: command[-1],
)
def test_an_interrupt_while_a_command_is_being_loaded(tmp_path: Path, command: list[str]) -> None:
    with during_imports(tmp_path, [sys.executable, *command]) as process:
        process.send_signal(signal.SIGINT)
        log, _ = process.communicate(timeout=60)
    assert process.returncode == 130, log
    assert log == ""
