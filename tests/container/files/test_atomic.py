"""Files that appear whole or not at all."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from container.artifacts import mxnet_ndarray, tarball
from container.artifacts.checkpoint import Checkpoints
from container.artifacts.model import SavedModel, save
from container.files.atomic import replacing, writing
from kmeans.communicator import SingleHost
from kmeans.stream.epoch_losses import EpochLosses
from kmeans.stream.reservoir import Reservoir
from kmeans.stream.snapshot import RunSnapshot
from kmeans.stream.start import StreamStart
from kmeans.stream.stream import Stream
from kmeans.threads import Threads
from tests.container.disk import files_in, room_for
from tests.kmeans.rows import settings_for

CENTERS = np.ones((100, 100), np.float32)


def snapshot() -> RunSnapshot:
    start = StreamStart(CENTERS.astype(np.float64), np.zeros(100), np.zeros(100, np.float32))
    return RunSnapshot(
        step=1,
        epoch=0,
        within_epoch=True,
        reassigned=0,
        outlier_distance=1.0,
        losses=EpochLosses(),
        stream=Stream(start, 0, SingleHost(), Threads()).snapshot(),
        reservoir=Reservoir(1, 100, 0, np.random.default_rng(0)).snapshot(),
        observer={},
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_name_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        assert names(tmp_path) == [".file.partial", "file"]
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


def test_a_file_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with replacing(path) as file:
            file.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_what_a_killed_job_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".file.partial").write_bytes(b"much longer than what comes")
    with replacing(tmp_path / "file") as file:
        file.write(b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


def test_the_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "none" / "file"):
        pass


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_what_stands_where_the_temporary_file_goes_is_neither_opened_nor_followed(tmp_path: Path, kind: str) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"of somebody else")
    if kind == "fifo":
        os.mkfifo(tmp_path / ".file.partial")
    else:
        (tmp_path / ".file.partial").symlink_to(other)
    with replacing(tmp_path / "file") as file:
        file.write(b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert other.read_bytes() == b"of somebody else"
    assert names(tmp_path) == ["file", "other"]


def zipped(file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w") as archive, archive.open("member", "w") as member:
        member.write(CENTERS.data)


WRITES: dict[str, Callable[[BinaryIO], object]] = {
    "at once": lambda file: file.write(CENTERS.data),
    "in small pieces": lambda file: [file.write(bytes(100)) for _ in range(1000)],
    "when it is closed": lambda file: file.write(bytes(8001)),
    "in an archive": zipped,
}


@pytest.mark.parametrize("way", WRITES)
def test_a_disk_that_fills_up_while_a_file_is_written_is_an_error_that_names_it(tmp_path: Path, way: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="File too large") as error, room_for(8000), replacing(path) as file:
        WRITES[way](file)
    assert error.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_file_without_a_temporary_one_is_written_whole_or_fails(tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    with (
        pytest.raises(OSError, match="File too large") as error,
        room_for(8000),
        writing(tmp_path / "file", shown) as file,
    ):
        file.write(CENTERS.data)
    assert error.value.filename == str(shown)


WRITERS: dict[str, Callable[[Path], object]] = {
    "centers": lambda folder: mxnet_ndarray.write(folder / "model_algo-1", CENTERS),
    "description": lambda folder: save(folder, "algo-1", SavedModel(CENTERS, {"sizes": [0.0] * 10_000})),
    # When the centers have no room, the description is there.
    "model": lambda folder: save(folder, "algo-1", SavedModel(CENTERS, {})),
    "tarball": lambda folder: tarball.write(folder / "model.tar.gz", [Path(__file__)]),
    "checkpoint": lambda folder: Checkpoints(folder, "algo-1", ("algo-1",), settings_for(CENTERS, 2), 0).save(
        snapshot()
    ),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_no_writer_leaves_anything_on_a_full_disk(tmp_path: Path, writer: str) -> None:
    with pytest.raises(OSError, match="File too large") as error, room_for(4000):
        WRITERS[writer](tmp_path)
    assert Path(error.value.filename).parent == tmp_path
    assert files_in(tmp_path) == []
