import os
import threading
from pathlib import Path

import pytest

from container.channels.files import PIPE_BYTES, data_files, wait_for_fifo, widen_pipe
from container.errors import CustomerError, PlatformError
from container.stopping import Stop


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in data_files(folder)]


def test_all_files_of_nested_folders_in_order(folder: Path) -> None:
    for name in ("b/2", "b/1/x", "a", "c/1", "B", "part-10", "part-9"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert names(folder) == ["B", "a", "b/1/x", "b/2", "c/1", "part-10", "part-9"]


def test_manifests_and_hidden_files_are_passed_over(folder: Path) -> None:
    (folder / ".hidden").mkdir()
    for name in (".amazon.manifest", "x.amazon.manifest", "train.manifest", ".x", ".hidden/x", "manifest", "x"):
        (folder / name).touch()
    assert names(folder) == ["manifest", "x"]


def test_no_folder_has_no_files(tmp_path: Path) -> None:
    assert data_files(tmp_path / "train") == []


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
        data_files(folder)
    (folder / "x").unlink()
    os.mkfifo(folder / "x")
    with pytest.raises(CustomerError, match=r"\(train/x: expected a file or a folder, got something else\)"):
        data_files(folder)


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
