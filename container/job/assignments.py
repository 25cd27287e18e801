"""The closest cluster of every training row, one CSV file beside each input file: output/data/assignments."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote_from_bytes

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from container.channels.channel import Channel
from container.files.atomic import replacing
from kmeans.assignment.assigner import Centers, nearest
from kmeans.assignment.scoring import Tally
from kmeans.source import GivenUpError
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray

FOLDER = "assignments"
SUFFIX = ".csv"
# Threads share the rows out, each assigns its own.
_ONE_THREAD = Threads(1)
COLUMNS = ("closest_cluster", "distance_to_cluster")
# A file system's names have 255 bytes; the temporary one is longer by ".partial" and a dot.
MAX_NAME = 255 - len("..partial")
# What a name keeps as it is; all else, above all line ends, bytes that are no text and "%" itself, is written as %XX.
_KEPT = " !#$&'()+,-.;=@[]^_{}~"


def output_name(path: Path) -> Path:
    """Give the name of the file of assignments of an input file, both relative to their folders.

    Different names give different names, and none is a folder of another: a folder's own ``.csv`` is written
    ``%2Ecsv``. A name that would be too long ends in a digest of the whole.
    """
    *folders, name = path.parts
    return Path(*(_shortened(_folder(folder)) for folder in folders), _shortened(_quoted(name), SUFFIX))


def _quoted(name: str) -> str:
    return quote_from_bytes(os.fsencode(name), safe=_KEPT)


def _folder(name: str) -> str:
    quoted = _quoted(name)
    return f"{quoted.removesuffix(SUFFIX)}%2E{SUFFIX[1:]}" if quoted.endswith(SUFFIX) else quoted


def _shortened(name: str, suffix: str = "") -> str:
    if len(name) + len(suffix) <= MAX_NAME:
        return name + suffix
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{name[: MAX_NAME - len(suffix) - len(digest) - 1]}-{digest}{suffix}"


@dataclass
class Written:
    """What was written.

    Attributes
    ----------
    tally
        Of the rows read: those of the whole channel, or of this host's share of it, if `whole`.
    files, rows
        Files that were written, and their rows.
    whole
        Whether all files were.
    """

    tally: Tally
    files: int = 0
    rows: int = 0
    whole: bool = False


def write(
    folder: Path,
    source: Channel,
    centers: FloatArray,
    shift: FloatArray,
    threads: Threads,
    share: tuple[int, int] = (0, 1),
    stopping: Callable[[], bool] = lambda: False,
) -> Written:
    """Write the closest cluster and the distance of every row, in the order of the rows.

    Parameters
    ----------
    folder
        Where the files go; each appears whole or not at all.
    source
        The training rows, not through a pipe.
    centers
        float32 (k, d): the model.
    shift
        float32 (d,): usual values of the rows; see `kmeans.shift.usual_values`.
    threads
        Where rows are assigned.
    share
        This host's place and the number of hosts among which the files are divided.
    stopping
        Asked before each block whether to end early; the file begun is dropped then.

    Returns
    -------
    Written
        The same for any number of threads.

    Raises
    ------
    CustomerError, PlatformError
        As `Channel.file_blocks`.
    OSError
        If a file can't be written.
    """
    prepared = Centers(centers.astype(np.float64), shift)
    found = Written(Tally(len(centers)))
    for path in source.files()[share[0] :: share[1]]:
        target = folder / output_name(path.relative_to(source.path))
        target.parent.mkdir(parents=True, exist_ok=True)
        written = 0
        with closing(source.file_blocks(path)) as blocks:
            try:
                with replacing(target) as file:
                    file.write(f"{','.join(COLUMNS)}\n".encode())
                    for block in _until(stopping, blocks):
                        pieces = np.array_split(block, threads.count)
                        lines, labels, squared_distances = zip(
                            *threads.map(partial(_assigned, prepared), pieces), strict=True
                        )
                        file.writelines(lines)
                        found.tally.add(np.concatenate(labels), np.concatenate(squared_distances))
                        written += len(block)
            except (InterruptedError, GivenUpError):
                return found
        found.files += 1
        found.rows += written
    found.whole = True
    return found


def _until(stopping: Callable[[], bool], blocks: Iterator[FloatArray]) -> Iterator[FloatArray]:
    while True:
        if stopping():
            raise InterruptedError
        block = next(blocks, None)
        if block is None:
            return
        yield block


def _assigned(centers: Centers, rows: FloatArray) -> tuple[pa.Buffer, LabelArray, DoubleArray]:
    """Return the lines of some rows, and the labels and squared distances that are in them."""
    labels, squared_distances = nearest(rows, centers, _ONE_THREAD)
    exact = np.sqrt(squared_distances)
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    # Two rows in float32 may be farther apart than the largest float32.
    finite = np.isfinite(rounded)
    kind, distances = (pa.float32(), rounded) if finite.all() else (pa.float64(), np.where(finite, rounded, exact))
    # From buffers: pyarrow would import pandas, where there is one, to look whether the arrays are its own.
    columns = [
        pa.Array.from_buffers(of, len(rows), [None, pa.py_buffer(values)])
        for of, values in ((pa.int32(), labels.astype(np.int32)), (kind, distances))
    ]
    buffer = pa.BufferOutputStream()
    options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
    arrow_csv.write_csv(pa.RecordBatch.from_arrays(columns, names=COLUMNS), buffer, options)
    return buffer.getvalue(), labels, squared_distances
