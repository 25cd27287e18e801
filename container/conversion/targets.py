"""Writing rows: RecordIO in shards, CSV, .npy, .npz, Parquet. Each appears whole or not at all."""

import csv
import io
import os
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from container.conversion.rows import Rows, ahead, side_by_side
from container.files.atomic import replacing, writing
from container.formats.errors import FormatError
from kmeans.types import FloatArray

# Blocks of rows in a row group of Parquet; each group costs its reader time.
ROW_GROUP_BLOCKS: Final = 16

Encoder = Callable[[FloatArray], NDArray[np.uint8]]


def write_shards(rows: Rows, folder: Path, shards: int, encode: Encoder) -> tuple[int, int]:
    """Write RecordIO files ``part-00000.pbr``, ... in the order of the rows; their lengths differ by one row at most.

    Parameters
    ----------
    rows : Rows
        The rows to write.
    folder : Path
        Created, unless it exists and is empty.
    shards : int
        The number of files.
    encode : callable
        Returns a block of rows in frames.

    Returns
    -------
    n, bytes : int
        The numbers of rows and bytes written.

    Raises
    ------
    FormatError
        If there are fewer rows than shards, or none.
    FileExistsError
        If the folder is not empty, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder}: expected a folder, got a file")
    # If the folder is a link, its target is replaced, and the link stays.
    folder = Path(os.path.realpath(folder))
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder}: expected no such folder or an empty one, for its files would be trained on")
    # One shard needs no count, and so no second pass over a CSV file.
    total = rows.count() if shards > 1 else None
    if total is not None and total < shards:
        raise FormatError(f"expected at least one row for each of {shards} shards, got {total}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Its name is known before it is created: whatever interrupts this, it is removed.
    work = folder.with_name(f".{secrets.token_hex(16)}.partial")
    try:
        work.mkdir(mode=0o700)
        written = work / "shards"
        written.mkdir()
        blocks = _Cut(ahead(rows.blocks()))
        n = size = 0
        for shard in range(shards):
            limit = None if total is None else total // shards + (shard < total % shards)
            name = f"part-{shard:05}.pbr"
            with writing(written / name, folder / name) as file:
                for block in blocks.take(limit):
                    frames = encode(block)
                    file.write(frames.data)
                    n += len(block)
                    size += frames.nbytes
        if not n or n != (total or n) or next(blocks.take(1), None) is not None:
            raise FormatError(f"expected {total or 'some'} rows, got {n}")
        # An empty folder of that name is replaced.
        written.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return n, size


def write_file(rows: Rows, path: Path, *, header: bool = False) -> tuple[int, int]:
    """Write a file of the format that its suffix names: .csv, .npy, .npz or .parquet.

    Parameters
    ----------
    rows : Rows
        The rows to write.
    path : Path
        Replaced if it exists.
    header : bool
        Whether CSV begins with the names of the features.

    Returns
    -------
    n, bytes : int
        The numbers of rows and bytes written.
    """
    with replacing(path) as file:
        if header and path.suffix.lower() == ".csv":
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow(_names(rows))
            file.write(text.getvalue().encode("utf-8", "surrogateescape"))
        n = _WRITERS[path.suffix.lower()](rows, file)
    return n, path.stat().st_size


class _Cut:
    """Blocks, cut again where a shard ends."""

    def __init__(self, blocks: Iterator[FloatArray]) -> None:
        self._blocks = blocks
        self._rest: FloatArray | None = None

    def take(self, limit: int | None) -> Iterator[FloatArray]:
        """Yield the next `limit` rows, or all, block by block."""
        left = limit
        while left is None or left > 0:
            block = self._rest if self._rest is not None else next(self._blocks, None)
            self._rest = None
            if block is None:
                return
            if left is not None:
                if len(block) > left:
                    block, self._rest = block[:left], block[left:]
                left -= len(block)
            yield block


def _write_npy(rows: Rows, file: IO[bytes]) -> int:
    # The header takes the same bytes for any number of rows.
    _write_header(file, 0, rows.n_features)
    n = _write_numbers(rows, file)
    file.seek(0)
    _write_header(file, n, rows.n_features)
    return n


def _write_npz(rows: Rows, file: IO[bytes]) -> int:
    n = rows.count()
    with zipfile.ZipFile(file, "w") as archive, archive.open("rows.npy", "w", force_zip64=True) as member:
        _write_header(member, n, rows.n_features)
        if (written := _write_numbers(rows, member)) != n:
            raise FormatError(f"expected {n} rows, got {written}")
    return n


def _write_header(file: IO[bytes], n: int, n_features: int) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (n, n_features)}
    np.lib.format.write_array_header_1_0(file, header)


def _write_numbers(rows: Rows, file: IO[bytes]) -> int:
    n = 0
    for block in ahead(rows.blocks()):
        file.write(block.data)
        n += len(block)
    return n


def _write_csv(rows: Rows, file: IO[bytes]) -> int:
    n = 0
    for lines, count in side_by_side(_csv_lines, ahead(rows.blocks())):
        file.write(lines)
        n += count
    return n


def _csv_lines(block: FloatArray) -> tuple[Any, int]:
    import pyarrow.csv

    lines = pyarrow.BufferOutputStream()
    names = list(map(str, range(block.shape[1])))
    pyarrow.csv.write_csv(_batch(block, names), lines, pyarrow.csv.WriteOptions(include_header=False))
    return lines.getvalue(), len(block)


def _write_parquet(rows: Rows, file: IO[bytes]) -> int:
    import pyarrow.parquet

    n = 0
    names = _names(rows)
    schema = _batch(np.empty((0, rows.n_features), np.float32), names).schema
    # Numbers rarely occur twice: a dictionary of them would cost time and space.
    with pyarrow.parquet.ParquetWriter(file, schema, use_dictionary=False) as writer:
        blocks = ahead(rows.blocks())
        while group := [_batch(block, names) for block in islice(blocks, ROW_GROUP_BLOCKS)]:
            table = pyarrow.Table.from_batches(group)
            writer.write_table(table)
            n += len(table)
    return n


def _batch(block: FloatArray, names: Sequence[str]) -> Any:
    import pyarrow

    return pyarrow.record_batch(list(map(pyarrow.array, np.ascontiguousarray(block.T))), list(names))


def _names(rows: Rows) -> Sequence[str]:
    """Return the names of features; numbered ones if the source has none."""
    return rows.names or [f"feature_{column}" for column in range(rows.n_features)]


_WRITERS: dict[str, Callable[[Rows, IO[bytes]], int]] = {
    ".npy": _write_npy,
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
SUFFIXES = tuple(_WRITERS)
