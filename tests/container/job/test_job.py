"""Whole jobs, seen from outside."""

import json
import os
import pty
import re
import signal
import tarfile
import termios
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from container.logs.metrics import REGEXES
from tests.container.job.job import Ended, Job, csv, msd, recordio

MINIMAL = {"k": "10", "feature_dim": "64"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, digits: NDArray[np.float32]) -> Ended:
    """Run a job with most things in it: nested folders, several files, two epochs, a test channel."""
    job = Job(
        tmp_path_factory.mktemp("trained"),
        {**MINIMAL, "mini_batch_size": "100", "epochs": "2", "eval_metrics": '["msd", "ssd"]', "force_dense": "True"},
        {"train": {"TrainingInputMode": "File"}, "test": {"TrainingInputMode": "File"}},
    )
    train = job.folder("train")
    (train / "a").mkdir()
    (train / "a" / "part-0.pbr").write_bytes(recordio(digits[:700]))
    (train / "part-1.pbr").write_bytes(recordio(digits[700:]))
    (train / "empty.pbr").write_bytes(b"")
    (train / ".amazon.manifest").write_text('[{"prefix": "s3://bucket/"}, "part-1.pbr"]')
    (job.folder("test") / "test.pbr").write_bytes(recordio(digits[:500]))
    return job.run()


def test_the_job_succeeds(trained: Ended) -> None:
    assert trained.exit_code == 0, trained.log
    assert not (trained.base / "output/failure").exists()


def test_the_model_fits_the_rows_as_the_log_says(trained: Ended, digits: NDArray[np.float32]) -> None:
    assert trained.centers.shape == (10, 64)
    value = float(re.findall(REGEXES["train:msd"], trained.log)[0])
    assert value == pytest.approx(msd(digits, trained.centers), rel=1e-9)
    assert value < 660
    assert "train msd is exact" in trained.log
    assert float(re.findall(REGEXES["train:ssd"], trained.log)[0]) == pytest.approx(value * len(digits))


def test_the_test_channel_is_scored_as_asked(trained: Ended, digits: NDArray[np.float32]) -> None:
    expected = msd(digits[:500], trained.centers)
    assert float(re.findall(REGEXES["test:msd"], trained.log)[0]) == pytest.approx(expected, rel=1e-9)
    assert float(re.findall(REGEXES["test:ssd"], trained.log)[0]) == pytest.approx(500 * expected, rel=1e-9)


@pytest.mark.parametrize("name", REGEXES)
def test_every_metric_is_found_in_the_log(trained: Ended, name: str) -> None:
    assert [float(value) for value in re.findall(REGEXES[name], trained.log)]


LINES = [
    r"Reading default configuration from \S+: \{.*'mini_batch_size': '5000'.*\}",
    r"Merging with provided configuration from \S+/input/config/hyperparameters.json: \{'k': '10'.*\}",
    r"Final configuration: \{.*'local_lloyd_tol': '0.0001'.*\}",
    r"Loaded iterator creator application/x-recordio-protobuf for content type \('application/x-recordio-protobuf', ",
    r"Number of GPUs being used: 0",
    r"Setting up with params: \{.*\}",
    r"'extra_center_factor' was set to 'auto', evaluated to 10\.",
    r"number of center slices 1",
    r"Iter 10: Short term msd \d+\.\d{6}\. Long term msd \d+\.\d{6}",
    r"processed a total of 1797 examples",
    r"#progress_metric: host=algo-1, completed 50\.0 % of epochs",
    r"#progress_metric: host=algo-1, completed 100\.0 % of epochs",
    r"#throughput_metric: host=algo-1, train throughput=[\d.]+ records/second",
    r"shrinking 100 centers into 10",
    r"local kmeans attempt #0\. Current mean square distance \d+\.\d{6}",
    r"local kmeans attempt #9\. Current mean square distance \d+\.\d{6}",
    r"finished shrinking process\. Mean Square Distance = \d+",
    r"#quality_metric: host=algo-1, train msd <loss>=\d+\.\d+",
    r"update took: \d+\.\d{4}%, \(\d+\.\d{6} secs\)",
    r"TOTAL took: \d+\.\d+",
    r"#quality_metric: host=algo-1, test msd <loss>=\d+\.\d+",
]


def test_the_log_has_the_lines_of_the_built_in_in_order(trained: Ended) -> None:
    prefix = r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d INFO \d+\] "
    position = 0
    for line in LINES:
        found = re.compile("^" + prefix + line, re.MULTILINE).search(trained.log, position)
        assert found, f"{line}\nnot found in order in\n{trained.log}"
        position = found.end()


def metrics_of(log: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("#metrics ")) for line in log.splitlines() if line.startswith("#metrics ")]


def test_metrics_lines_count_batches_and_times(trained: Ended) -> None:
    initial, first, second, times, totals = metrics_of(trained.log)
    for record in (initial, first, second, times, totals):
        assert list(record) == ["StartTime", "EndTime", "Dimensions", "Metrics"]
        assert record["StartTime"] <= record["EndTime"]
        assert record["Dimensions"]["Algorithm"] == "AWS/KMeansWebscale"
        assert record["Dimensions"]["Host"] == "algo-1"
        assert record["Dimensions"]["Operation"] == "training"
    assert initial["Dimensions"]["Meta"] == "init_train_data_iter"
    assert initial["Metrics"]["Total Records Seen"] == {"sum": 100.0, "count": 1, "min": 100, "max": 100}
    assert second["Dimensions"]["epoch"] == 1
    assert second["Dimensions"]["Meta"] == "training_data_iter"
    sums = {name: values["sum"] for name, values in second["Metrics"].items()}
    assert sums == {
        "Total Records Seen": 100 + 2 * 1797,
        "Total Batches Seen": 1 + 2 * 18,
        "Max Records Seen Between Resets": 1797,
        "Max Batches Seen Between Resets": 18,
        "Reset Count": 2,
        "Number of Records Since Last Reset": 1797,
        "Number of Batches Since Last Reset": 18,
    }
    expected = {"initialize.time", "update.time", "_shrink.time", "finalize.time", "model.serialize.time", "epochs"}
    assert set(times["Metrics"]) == expected
    assert times["Metrics"]["update.time"]["count"] == 2
    assert set(totals["Metrics"]) == {"setuptime", "totaltime"}


def test_files_of_the_model(trained: Ended) -> None:
    assert sorted(path.name for path in (trained.base / "model").iterdir()) == [
        "kmeans.json",
        "model_algo-1",
        "state.npz",
    ]
    description = trained.description
    assert description["k"] == 10
    assert description["feature_dim"] == 64
    assert description["seed"] == 0
    assert sum(description["cluster_sizes"]) == 1797
    assert description["msd"] == pytest.approx(float(re.findall(REGEXES["train:msd"], trained.log)[0]))
    assert description["hyperparameters"]["epochs"] == "2"
    assert description["versions"]
    with np.load(trained.base / "model/state.npz", allow_pickle=False) as state:
        assert 90 < len(state["centers"]) <= 100
        assert state["weights"].sum() == pytest.approx(2 * 1797)
        assert set(state) == {"centers", "weights", "shift", "spreads"}
    with np.load(trained.base / "output/data/state.npz", allow_pickle=False) as state:
        assert state["centers"].shape == (100, 64)
        assert state["sample"].shape == (1797, 64)
    with tarfile.open(trained.base / "output/model.tar.gz") as archive:
        assert sorted(archive.getnames()) == ["kmeans.json", "model_algo-1", "state.npz"]


@pytest.mark.parametrize(
    ("host", "name"), [("algo-1-x7f2q", "model_algo-1"), ("algo-2", "model_algo-2"), ("laptop", "model_laptop")]
)
def test_the_file_of_the_centers_has_the_name_that_notebooks_load(tmp_path: Path, host: str, name: str) -> None:
    job = Job(tmp_path, {"k": "2", "feature_dim": "1"}, hosts=(host,))
    (job.folder("train") / "rows.pbr").write_bytes(recordio(np.arange(4, dtype=np.float32)[:, None]))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert [path.name for path in (tmp_path / "model").glob("model_*")] == [name]
    notice = "The centers are in model_laptop, after the name of this host; programs written for SageMaker load model_"
    assert (notice in ended.log) == (host == "laptop")


@pytest.mark.parametrize("cores", ["all", "one"])
def test_a_job_run_again_gives_the_same_bytes(
    trained: Ended, tmp_path: Path, digits: NDArray[np.float32], cores: str
) -> None:
    job = Job(tmp_path, json.loads((trained.base / "input/config/hyperparameters.json").read_text()))
    (job.folder("train") / "a").mkdir()
    (job.folder("train") / "a" / "part-0.pbr").write_bytes(recordio(digits[:700]))
    (job.folder("train") / "part-1.pbr").write_bytes(recordio(digits[700:]))
    allowed = os.sched_getaffinity(0)
    if cores == "one":
        os.sched_setaffinity(0, {min(allowed)})
    try:
        again = job.run()
    finally:
        os.sched_setaffinity(0, allowed)
    assert again.exit_code == 0, again.log
    for name in ("model/model_algo-1", "model/state.npz", "output/model.tar.gz"):
        assert (again.base / name).read_bytes() == (trained.base / name).read_bytes(), name


@pytest.mark.parametrize(
    ("content_type", "prefix"),
    [("text/csv;label_size=0", ""), ("text/csv", ""), ("text/csv", "7.5,"), ("text/csv; label_size=2", "x,-1,")],
)
def test_csv_gives_the_model_that_recordio_gives(
    tmp_path: Path, digits: NDArray[np.float32], content_type: str, prefix: str
) -> None:
    first = Job(tmp_path / "recordio", MINIMAL)
    (first.folder("train") / "digits.pbr").write_bytes(recordio(digits))
    second = Job(tmp_path / "csv", MINIMAL, {"train": {"TrainingInputMode": "FastFile", "ContentType": content_type}})
    lines = csv(digits).decode().splitlines(keepends=True)
    (second.folder("train") / "digits.csv").write_text("".join(prefix + line for line in lines))
    from_recordio, from_csv = first.run(), second.run()
    assert from_csv.exit_code == 0, from_csv.log
    assert from_csv.centers.tobytes() == from_recordio.centers.tobytes()


def test_pipe_mode_reads_a_fifo_each_epoch(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, {**MINIMAL, "epochs": "2", "mini_batch_size": "500"}, {"train": {"TrainingInputMode": "Pipe"}})
    data = tmp_path / "input/data"
    data.mkdir(parents=True)
    content = recordio(digits)

    def feed() -> None:
        for epoch in range(2):
            fifo = data / f"train_{epoch}"
            os.mkfifo(fifo)
            fifo.write_bytes(content)

    writer = threading.Thread(target=feed, daemon=True)
    process = job.start()
    writer.start()
    ended = job.ended(process)
    writer.join(timeout=60)
    assert ended.exit_code == 0, ended.log
    assert not writer.is_alive()
    assert ended.log.count("processed a total of 1797 examples") == 2
    assert msd(digits, ended.centers) < 680


def test_the_built_ins_recipe_without_refinement_or_extra_centers(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, {**MINIMAL, "extra_center_factor": "1", "refine_sample_size": "0"})
    (job.folder("train") / "digits.pbr").write_bytes(recordio(digits))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert "No shrinking is required as extra_center_factor is 1." in ended.log
    assert "refined" not in ended.log
    assert "Batch size 5000 is bigger than the first batch data. Effective batch size used to initialize is 1797" in (
        ended.log
    )
    assert "Test data is not provided." in ended.log


def test_sigterm_ends_the_stream_and_leaves_a_model(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, {**MINIMAL, "mini_batch_size": "100"}, {"train": {"TrainingInputMode": "Pipe"}})
    fifo = tmp_path / "input/data/train_0"
    fifo.parent.mkdir(parents=True)
    os.mkfifo(fifo)
    process = job.start()
    # The job may close its end of the pipe while there is more to come.
    with suppress(BrokenPipeError), fifo.open("wb") as writer:
        writer.write(recordio(digits))
        writer.flush()
        assert process.stdout is not None
        seen = ""
        while "Iter 10:" not in seen:
            line = process.stdout.readline()
            assert line, seen
            seen += line
        process.send_signal(signal.SIGTERM)
        # The stream looks at the flag at the next border of a batch.
        writer.write(recordio(digits))
    ended = job.ended(process)
    assert ended.exit_code == 0, ended.log
    assert re.search(r"Stopped early by SIGTERM after \d+ examples", ended.log)
    assert ended.centers.shape == (10, 64)


FAULTS: dict[str, tuple[dict[str, str], bytes, str]] = {
    "hyperparameters": ({"k": "1", "feature_dim": "64", "epoch": "2"}, b"", "epoch"),
    "empty channel": (MINIMAL, b"", "train"),
    "wrong dimension": ({"k": "10", "feature_dim": "63"}, b"digits", "record 1"),
    "not recordio": (MINIMAL, b"1,2,3\n" * 10, "bad.pbr"),
    "too few rows": ({"k": "5", "feature_dim": "64"}, b"three", "k = 5 clusters need at least as many distinct rows"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_the_user_end_with_2_and_a_reason(tmp_path: Path, digits: NDArray[np.float32], name: str) -> None:
    given, content, reason = FAULTS[name]
    job = Job(tmp_path, given)
    content = {b"digits": recordio(digits), b"three": recordio(digits[:3])}.get(content, content)
    (job.folder("train") / "bad.pbr").write_bytes(content)
    ended = job.run()
    assert ended.exit_code == 2, ended.log
    assert reason in ended.failure
    assert ended.failure.startswith("Customer Error: ")
    assert len(ended.failure) <= 1024
    assert re.search(r"^\[.* ERROR \d+\] Customer Error: ", ended.log, re.MULTILINE)
    assert "Traceback" not in ended.log
    assert not (tmp_path / "model").exists()


def test_on_a_terminal_there_is_a_progress_bar(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, MINIMAL)
    (job.folder("train") / "digits.pbr").write_bytes(recordio(digits))
    terminal, stderr = pty.openpty()
    termios.tcsetwinsize(stderr, (24, 80))
    os.set_blocking(terminal, False)
    ended = job.ended(job.start(stderr=stderr))
    shown = os.read(terminal, 1 << 16)
    os.close(terminal)
    os.close(stderr)
    assert ended.exit_code == 0, ended.log
    assert b"training" in shown
    assert b"rows" in shown


def test_a_place_that_cannot_be_written_is_a_platform_error(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, MINIMAL)
    (job.folder("train") / "digits.pbr").write_bytes(recordio(digits))
    (tmp_path / "model").write_text("a file where the folder should be")
    ended = job.run()
    assert ended.exit_code == 3, ended.log
    assert ended.failure.startswith("Platform Error: ")
