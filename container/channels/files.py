"""The files of a channel: which of those in its folder are data."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from container.errors import CustomerError
from container.formats.errors import excerpt

# What services write next to data.
_NO_DATA: Final = re.compile(
    r".*manifest"  # lists of files: of S3 and the SDK (x.manifest), of UNLOAD in Redshift (manifest, x_manifest)
    r"|.*\.(csv|txt)\.metadata"  # the types of a result's columns: Athena
    r"|_SUCCESS"  # Hadoop and Spark
    r"|_committed_.*|_started_.*"  # Databricks
    r"|_metadata|_common_metadata",  # the footers of a folder of Parquet files
    re.DOTALL,
)
# Folders of their own: Hadoop's, Spark's, and two of Delta Lake's. Others may hold data, whatever they are called.
_NO_DATA_FOLDERS: Final = frozenset({"_temporary", "_spark_metadata", "_delta_log", "_symlink_format_manifest"})
_MAX_SHOWN: Final = 5


class ChannelFiles(NamedTuple):
    """The files of a channel, each list in sorted order.

    Attributes
    ----------
    data : list of Path
        The files to read.
    others : list of Path
        Files and folders that are no data though they are not hidden.
    """

    data: list[Path]
    others: list[Path]


def channel_files(folder: Path) -> ChannelFiles:
    """Return the files of a channel, whatever folders they are in.

    Hidden files and folders are skipped. Links are followed; a folder is entered only once, even if links form a loop.

    Parameters
    ----------
    folder : Path
        The channel's folder.

    Returns
    -------
    ChannelFiles
        Empty if there is no such folder.

    Raises
    ------
    CustomerError
        If something is neither a file nor a folder, such as a link to nothing.
    """
    files = ChannelFiles([], [])
    folders = [folder] if folder.is_dir() else []
    met: set[tuple[int, int]] = set()
    while folders:
        here = folders.pop()
        status = here.stat()
        if (status.st_dev, status.st_ino) in met:
            continue
        met.add((status.st_dev, status.st_ino))
        for path in sorted(here.iterdir(), reverse=True):
            if path.name.startswith("."):
                continue
            is_folder = path.is_dir()
            if path.name in _NO_DATA_FOLDERS if is_folder else _NO_DATA.fullmatch(path.name):
                files.others.append(path)
            elif is_folder:
                folders.append(path)
            elif path.is_file():
                files.data.append(path)
            else:
                raise CustomerError(
                    f"Unable to read data channel '{folder.name}'. Please verify the correct data channel"
                    f" configuration is provided. ({path.relative_to(folder.parent)}: expected a file or a folder,"
                    f" got {'a link to nothing' if path.is_symlink() else 'something else'})"
                )
    return ChannelFiles(sorted(files.data), sorted(files.others))


def partitions(path: Path) -> list[str]:
    """Return the columns that the folders of a path name, as ``year`` of ``year=2024/part-0`` (hive partitions)."""
    return [folder.partition("=")[0] for folder in path.parts[:-1] if "=" in folder]


def listed(paths: Sequence[Path], folder: Path) -> str:
    """Return the first few of some paths in a folder, for a message."""
    names = [excerpt(str(path.relative_to(folder)), 80) for path in paths[:_MAX_SHOWN]]
    return ", ".join(names) + (f" and {len(paths) - len(names)} more" if len(paths) > len(names) else "")


def inventory(folder: Path) -> str:
    """Return the number and the size of the data files of a channel, and a checksum of their names and sizes."""
    digest = hashlib.sha256()
    files = channel_files(folder).data
    sizes = [path.stat().st_size for path in files]
    for path, size in zip(files, sizes, strict=True):
        digest.update(f"{path.relative_to(folder)}\0{size}\0".encode(errors="surrogateescape"))
    return f"{len(files)} files, {sum(sizes)} bytes, {digest.hexdigest()[:8]}"
