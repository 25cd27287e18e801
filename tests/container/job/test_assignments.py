"""The closest cluster of every training row, as a job writes it."""

import os
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.records import encode
from container.job.assignments import MAX_NAME, objection, output_name
from kmeans.prediction import Predictor
from tests.container.disk import READ_ONLY
from tests.container.hosts.cluster import cluster_of
from tests.container.job.job import Ended, Job, csv, recordio

HYPERPARAMETERS = {"k": "10", "feature_dim": "64", "mini_batch_size": "100"}


def sparse_record(row: NDArray[np.float32]) -> Record:
    record = Record()
    tensor = record.features["values"].float32_tensor
    tensor.keys.extend(np.flatnonzero(row).tolist())
    tensor.values.extend(row[row != 0].tolist())
    tensor.shape.append(len(row))
    return record


def assigned(ended: Ended, name: str) -> NDArray[np.float64]:
    path = ended.base / "output/data/assignments/algo-1" / name
    assert path.read_text().startswith("closest_cluster,distance_to_cluster\n"), path
    return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)


def check(ended: Ended, name: str, rows: NDArray[np.float32]) -> None:
    """Compare a file with what `serve` answers."""
    labels, distances = Predictor(ended.centers).predict(rows)
    found = assigned(ended, name)
    np.testing.assert_array_equal(found[:, 0], labels)
    np.testing.assert_array_equal(found[:, 1].astype(np.float32), distances)


def test_every_file_gets_one_in_the_order_of_its_rows(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, HYPERPARAMETERS)
    train = job.folder("train")
    (train / "day=1" / "x.csv").mkdir(parents=True)
    (train / "day=1" / "x.csv" / "part").write_bytes(recordio(digits[:700]))
    (train / "day=1" / "x").write_bytes(recordio(digits[700:1203]))
    (train / "line\nend, 100%.pbr").write_bytes(recordio(digits[1203:]))
    (train / "empty").write_bytes(b"")
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    check(ended, "day=1/x%2Ecsv/part.csv", digits[:700])
    check(ended, "day=1/x.csv", digits[700:1203])
    check(ended, "line%0Aend, 100%25.pbr.csv", digits[1203:])
    empty = tmp_path / "output/data/assignments/algo-1/empty.csv"
    assert empty.read_text() == "closest_cluster,distance_to_cluster\n"
    files = [path for path in (tmp_path / "output/data/assignments").rglob("*") if path.is_file()]
    assert len(files) == 4
    assert "wrote the assignments of 1797 rows of 4 files" in ended.log


def test_csv_rows_are_assigned(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    channels = {"train": {"TrainingInputMode": "File", "ContentType": "text/csv;label_size=0"}}
    job = Job(tmp_path, HYPERPARAMETERS, channels)
    (job.folder("train") / "rows.csv").write_bytes(csv(digits))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    check(ended, "rows.csv.csv", digits)


def test_sparse_rows_are_assigned(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, HYPERPARAMETERS)
    (job.folder("train") / "rows").write_bytes(encode(map(sparse_record, digits)))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    check(ended, "rows.csv", digits)


def test_fast_file_mode_says_why_there_are_none(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, HYPERPARAMETERS, {"train": {"TrainingInputMode": "FastFile"}})
    (job.folder("train") / "rows").write_bytes(recordio(digits))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert "No assignments are written in FastFile mode" in ended.log
    assert not (tmp_path / "output/data/assignments").exists()


def test_they_are_not_written_if_turned_off(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, {**HYPERPARAMETERS, "write_assignments": "False"})
    (job.folder("train") / "rows").write_bytes(recordio(digits))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert not (tmp_path / "output/data/assignments").exists()


def test_by_default_there_must_be_room_for_them(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, HYPERPARAMETERS)
    (job.folder("train") / "rows").write_bytes(recordio(digits))
    # There is no free space.
    (tmp_path / "output").symlink_to(READ_ONLY)
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    folder = tmp_path / "output/data/assignments/algo-1"
    assert f"with write_assignments=auto: {folder}: expected room for 46,722 bytes, got 0. To get them" in ended.log
    assert "The assignments were not" not in ended.log
    assert ended.description["msd_is_exact"] is True


def test_by_default_they_are_few(tmp_path: Path) -> None:
    assert objection(tmp_path / "not there", 1000, 13) == ""
    assert objection(tmp_path, 80_000_000, 13) == (
        "80,000,000 rows would take about 1,040,000,000 bytes, and up to 1,000,000,000 are written"
    )
    # Clusters of more digits.
    assert "66,700,000 rows would take about 1,000,500,000 bytes" in objection(tmp_path, 66_700_000, 15)
    assert "50,000,000 rows would take about 1,450,000,000 bytes" in objection(tmp_path, 50_000_000, 13, ids=True)


def test_on_two_hosts_all_have_room_or_none_writes(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    with cluster_of(tmp_path, 2, HYPERPARAMETERS) as cluster:
        cluster.put(digits[:900], digits[900:])
        (cluster.hosts[1].base / "output").symlink_to(READ_ONLY)
        assert cluster.run() == [0, 0], cluster.logs
        assert "auto: another host has no room. To get them" in cluster.hosts[0].log
        assert "expected room for 46,722 bytes, got 0" in cluster.hosts[1].log
        assert not (cluster.hosts[0].base / "output/data/assignments").exists()


def test_the_model_stands_when_they_cannot_be_written(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, HYPERPARAMETERS)
    (job.folder("train") / "rows").write_bytes(recordio(digits))
    (tmp_path / "output/data").mkdir(parents=True)
    (tmp_path / "output/data/assignments").write_text("in the way")
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert ended.centers.shape == (10, 64)
    assert "WARNING" in ended.log
    assert "The assignments were not all written" in ended.log


def test_pipe_mode_says_why_there_are_none(tmp_path: Path, digits: NDArray[np.float32]) -> None:
    job = Job(tmp_path, HYPERPARAMETERS, {"train": {"TrainingInputMode": "Pipe"}})
    fifo = job.folder("train").with_name("train_0")
    os.mkfifo(fifo)
    feeder = threading.Thread(target=lambda: fifo.write_bytes(recordio(digits)), daemon=True)
    feeder.start()
    ended = job.run()
    feeder.join(60)
    assert ended.exit_code == 0, ended.log
    assert "No assignments are written in Pipe mode" in ended.log
    assert not (tmp_path / "output/data/assignments").exists()


def test_names_differ_and_fit_a_file_system() -> None:
    names = [
        Path("a" * 255),
        Path("a" * 254 + "b"),
        Path("x"),
        Path("x.csv/x"),
        Path("x%2Ecsv/x"),
        Path("\udcff" * 200),
    ]
    outputs = [output_name(name) for name in names]
    assert len(set(outputs)) == len(names)
    assert all(len(os.fsencode(part)) <= MAX_NAME for output in outputs for part in output.parts)
    assert not set(outputs) & {parent for output in outputs for parent in output.parents}
