"""What may be in a folder where an ordinary file or folder is expected."""

import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from random import Random


def _link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _link_to_the_folder(path: Path) -> None:
    path.symlink_to(path.parent)


def _link_to_the_root(path: Path) -> None:
    path.symlink_to("/proc/self")


def _link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        # Its address has room for 107 bytes.
        here = os.open(path.parent, os.O_RDONLY)
        with suppress(OSError):
            unix.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


def _unreadable_file(path: Path) -> None:
    path.write_bytes(b"1,2\n")
    path.chmod(0)


def _unreadable_folder(path: Path) -> None:
    path.mkdir()
    path.chmod(0)


def _deep_folder(path: Path) -> None:
    deepest = path.joinpath(*["d"] * 500)
    with suppress(OSError):
        deepest.mkdir(parents=True)
        (deepest / "a.csv").write_bytes(b"1,2\n")


def _many_files(path: Path) -> None:
    path.mkdir()
    for number in range(300):
        (path / str(number)).touch()


def _huge_file_with_a_hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _empty_file(path: Path) -> None:
    path.touch()


def _empty_folder(path: Path) -> None:
    path.mkdir()


KINDS = (
    _link_to_nothing, _link_to_itself, _link_to_the_folder, _link_to_the_root, _link_to_a_device, _fifo, _socket,
    _unreadable_file, _unreadable_folder, _deep_folder, _many_files, _huge_file_with_a_hole, _empty_file, _empty_folder,
)  # fmt: skip


def put_odd_kind(rng: Random, path: Path) -> str:
    """Put something there that is no ordinary file with content, in the place of whatever is there; say what."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    kind = rng.choice(KINDS)
    kind(path)
    return f"{path.name} is {kind.__name__.strip('_')}"
