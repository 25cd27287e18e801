"""The closest cluster of every training row, one CSV file for each input file: output/data/assignments."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from container.artifacts import disk_space
from container.channels.channel import Channel
from container.files.atomic import replacing
from container.job.assignment_columns import AssignmentColumns
from container.job.ids import Ids, quoted
from kmeans.assignment.counting import DistanceCounter
from kmeans.assignment.engine import Engine
from kmeans.assignment.histogram import DistanceHistogram
from kmeans.assignment.scoring import Tally
from kmeans.model import Model
from kmeans.points import Rows, parts
from kmeans.source import GivenUpError
from kmeans.types import DoubleArray, FloatArray, LabelArray

FOLDER = "assignments"
SUFFIX = ".csv"
# An id, as long as most are.
ID_BYTES = 16
# What `write_assignments=auto` writes at most, in files of all hosts. There is room on the disk for as much again: the
# output is packed where it lies.
MAX_AUTO_BYTES = 1_000_000_000
# Names in a file system have up to 255 bytes; the temporary name is longer by ".partial" and a dot.
MAX_NAME = 255 - len("..partial")
# Kept as they are, like letters and digits; all else, such as line ends, bytes that are no text and "%", becomes %XX.
_KEPT = " !#$&'()+,-.;=@[]^_{}~"


def objection(folder: Path, n_rows: int, row_bytes: int, *, ids: bool = False) -> str:
    """Return why `write_assignments=auto` does not write the assignments of `n_rows` rows to a folder.

    The text is empty if it writes them.
    """
    n_bytes = n_rows * (row_bytes + (ID_BYTES if ids else 0))
    if n_bytes > MAX_AUTO_BYTES:
        return f"{n_rows:,} rows would take about {n_bytes:,} bytes, and up to {MAX_AUTO_BYTES:,} are written"
    try:
        free = disk_space.free_bytes(folder)
    except OSError as error:
        return f"{folder}: could not find out how much room there is: {error.strerror}"
    if free < 2 * n_bytes:
        return f"{folder}: expected room for {2 * n_bytes:,} bytes, got {free:,}"
    return ""


def output_name(path: Path) -> Path:
    """Return the name of the file of assignments of an input file, both relative to their folders.

    Different input files have different names, and no name is a folder of another one: ``.csv`` at the end of a folder
    is written ``%2Ecsv``. A name that would be too long ends in a digest of the whole.
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
class PassResult:
    """What a pass over the rows found, and what it wrote.

    Attributes
    ----------
    tally : Tally
        The tally of the rows read: if `whole`, those of the whole channel, or of this host's share of it.
    histogram : DistanceHistogram
        The histogram of these rows.
    files : int
        The number of files written.
    rows : int
        The number of rows in these files.
    whole : bool
        Whether all files were written.
    """

    tally: Tally
    histogram: DistanceHistogram
    files: int = 0
    rows: int = 0
    whole: bool = False

    @classmethod
    def nothing(cls, k: int) -> "PassResult":
        """Return the result of a pass that has read nothing, for k clusters."""
        return cls(Tally(k), DistanceHistogram(k))

    def applied_to(self, model: Model, *, keeps_distances: bool = False) -> Model:
        """Return the model with the exact figures of its rows, of which all were read; its distances may be kept."""
        score = self.tally.score()
        return model.measured(score, None if keeps_distances else self.histogram.distribution(score))


def measure(
    source: Channel, centers: FloatArray, engine: Engine, stopping: Callable[[], bool] = lambda: False
) -> PassResult:
    """Read all rows as `write` does, and write nothing; each host reads its share.

    Raises
    ------
    CustomerError, PlatformError
        As `Channel.blocks`.
    """
    assigner = engine.assigner(centers.astype(np.float64))
    result, counter = PassResult.nothing(len(centers)), DistanceCounter(len(centers), engine.threads)
    try:
        for block in _until(stopping, source.blocks()):
            rows, weights = parts(block)
            labels, squared_distances = assigner.assign(rows)
            result.tally.add(labels, squared_distances, weights)
            counter.add(labels, squared_distances, weights)
    except (InterruptedError, GivenUpError):
        return result
    result.histogram = counter.histogram()
    result.whole = True
    return result


def write(
    folder: Path,
    source: Channel,
    columns: AssignmentColumns,
    engine: Engine,
    share: tuple[int, int] = (0, 1),
    stopping: Callable[[], bool] = lambda: False,
) -> PassResult:
    """Write the outputs of every row, in the order of the rows; ids come first in a line.

    A row that was dropped in training has its line too, without a cluster if a number is missing.

    Parameters
    ----------
    folder : Path
        Where the files go; each appears whole or not at all.
    source : Channel
        The training rows, not through a pipe.
    columns : AssignmentColumns
        The model, and what the lines have.
    engine : Engine
        What computes.
    share : tuple of int
        This host's place and the number of hosts among which the files are divided.
    stopping : callable
        Called before each block; returns whether to end early. The unfinished file is dropped then.

    Returns
    -------
    PassResult
        The same for any number of threads.

    Raises
    ------
    CustomerError, PlatformError
        As `Channel.file_blocks`.
    OSError
        If a file can't be written.
    """
    assigning = _Assigning(source, columns, engine)
    result = PassResult.nothing(len(columns.centers))
    counter = DistanceCounter(len(columns.centers), engine.threads)
    header = [*filter(None, [quoted(source.id_column)]), *columns.outputs]
    for path in source.files()[share[0] :: share[1]]:
        target = folder / output_name(path.relative_to(source.path))
        target.parent.mkdir(parents=True, exist_ok=True)
        written = 0
        with closing(source.file_blocks(path)) as blocks, closing(source.file_ids(path)) as texts:
            ids = Ids(texts)
            try:
                with replacing(target) as file:
                    file.write(f"{','.join(header)}\n".encode())
                    for block in _until(stopping, blocks):
                        rows, weights = parts(block)
                        pieces = [
                            (piece, ids.take(len(piece)) if source.id_column else None)
                            for piece in np.array_split(rows, engine.threads.count)
                        ]
                        lines, labels, squared_distances = zip(*engine.threads.map(assigning, pieces), strict=True)
                        file.writelines(lines)
                        if weights is not None and source.drops:
                            weights = weights[~np.isnan(rows).any(axis=1)]
                        found = np.concatenate(labels), np.concatenate(squared_distances)
                        result.tally.add(*found, weights)
                        counter.add(*found, weights)
                        written += len(rows)
            except (InterruptedError, GivenUpError):
                return result
        result.files += 1
        result.rows += written
    result.histogram = counter.histogram()
    result.whole = True
    return result


def _until(stopping: Callable[[], bool], blocks: Iterator[Rows]) -> Iterator[Rows]:
    while True:
        if stopping():
            raise InterruptedError
        block = next(blocks, None)
        if block is None:
            return
        yield block


class _Assigning:
    """Assigns pieces to clusters; see `write`. Each thread assigns pieces of its own."""

    def __init__(self, source: Channel, columns: AssignmentColumns, engine: Engine) -> None:
        self._assigner = engine.on_one_thread().assigner(columns.centers.astype(np.float64))
        self._coordinates = source.coordinates
        self._drops = source.drops
        self._columns = columns

    def __call__(self, piece: tuple[FloatArray, Any]) -> tuple[pa.Buffer, LabelArray, DoubleArray]:
        """Return the lines of rows, which may have ids, and labels and squared distances of those with a cluster."""
        rows, ids = piece
        whole = ~np.isnan(rows).any(axis=1) if self._drops else None
        labels, squared_distances = self._assigner.assign(rows if whole is None else rows[whole])
        arrays = self._columns.of_rows(labels, self._coordinates.distances(squared_distances))
        if whole is not None:
            places = pa.array(np.cumsum(whole) - 1, mask=~whole)
            arrays = [array.take(places) for array in arrays]
        buffer = pa.BufferOutputStream()
        texts = [] if ids is None else [ids]
        names = [*("" for _ in texts), *self._columns.outputs]
        options = arrow_csv.WriteOptions(include_header=False, quoting_style="needed" if texts else "none")
        arrow_csv.write_csv(pa.RecordBatch.from_arrays([*texts, *arrays], names=names), buffer, options)
        return buffer.getvalue(), labels, squared_distances
