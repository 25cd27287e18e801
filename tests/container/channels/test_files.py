import os
import threading
from pathlib import Path

import pytest

from container.channels.files import channel_files
from container.channels.stream import PIPE_BYTES, wait_for_fifo, widen_pipe
from container.errors import CustomerError, PlatformError
from container.stopping import Stop


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in channel_files(folder).data]


def test_all_files_of_nested_folders_in_order(folder: Path) -> None:
    for name in ("b/2", "b/1/x", "a", "c/1", "B", "part-10", "part-9"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert names(folder) == ["B", "a", "b/1/x", "b/2", "c/1", "part-10", "part-9"]


def test_hidden_files_and_what_services_write_next_to_data_are_skipped(folder: Path) -> None:
    hidden = [".amazon.manifest", ".x", ".part-0.crc", ".hidden/x"]
    others = ["x.amazon.manifest", "train.manifest", "manifest", "sales_manifest", "3f2a.csv.metadata"]
    others += ["_SUCCESS", "_committed_1", "_started_1", "_common_metadata", "a/_metadata"]
    written_there = ["_delta_log/0.json", "_temporary/0/part-0", "_spark_metadata/0"]
    data = ["_metadata/x", "_rows", "_started", "cargo-manifest/x", "manifest.csv", "metadata", "rows.metadata", "x"]
    for name in [*hidden, *others, *written_there, *data]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert names(folder) == data
    skipped = [path.relative_to(folder).as_posix() for path in channel_files(folder).others]
    assert skipped == sorted([*others, "_delta_log", "_temporary", "_spark_metadata"])


def test_no_folder_has_no_files(tmp_path: Path) -> None:
    assert channel_files(tmp_path / "train") == ([], [])


def test_links_are_followed_but_not_for_ever(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "inner").mkdir(parents=True)
    (real / "inner" / "x").touch()
    (real / "inner" / "up").symlink_to(real)
    (real / "y").symlink_to(real / "inner" / "x")
    link = tmp_path / "train"
    link.symlink_to(real)
    assert names(link) == ["inner/x", "y"]


def test_what_is_no_file(folder: Path) -> None:
    (folder / "x").symlink_to(folder / "nowhere")
    with pytest.raises(
        CustomerError, match=r"'train'.*\(train/x: expected a file or a folder, got a link to nothing\)"
    ):
        channel_files(folder)
    (folder / "x").unlink()
    os.mkfifo(folder / "x")
    with pytest.raises(CustomerError, match=r"\(train/x: expected a file or a folder, got something else\)"):
        channel_files(folder)


def test_a_fifo_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "train_0"
    waiter = threading.Thread(target=wait_for_fifo, args=(path, 60, Stop()))
    waiter.start()
    os.mkfifo(path)
    waiter.join(60)
    assert not waiter.is_alive()


def test_a_fifo_that_does_not_come(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"train_0: expected a FIFO within 0 seconds, none came"):
        wait_for_fifo(tmp_path / "train_0", 0, Stop())
    with pytest.raises(CustomerError, match=r"expected a FIFO, got something else"):
        wait_for_fifo(tmp_path, 0, Stop())


def test_a_pipe_holds_more_and_a_file_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    with (tmp_path / "file").open("rb", buffering=0) as stream:
        widen_pipe(stream)
        assert stream.read() == b"abc"
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with os.fdopen(read_end, "rb", buffering=0) as stream, os.fdopen(write_end, "wb", buffering=0) as writer:
        widen_pipe(stream)
        assert writer.write(bytes(PIPE_BYTES)) == PIPE_BYTES
