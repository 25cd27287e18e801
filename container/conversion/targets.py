"""What rows are written to: RecordIO in shards, CSV, .npy, .npz, Parquet. Each appears whole or not at all."""

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from container.artifacts.atomic import replacing
from container.conversion.rows import Rows, ahead
from container.formats.errors import FormatError
from kmeans.types import FloatArray

Encoder = Callable[[FloatArray], NDArray[np.uint8]]


def write_shards(rows: Rows, folder: Path, shards: int, encode: Encoder) -> tuple[int, int]:
    """Write RecordIO files ``part-00000.pbr``, ... in the order of the rows, none longer than another by two rows.

    Parameters
    ----------
    rows : Rows
        What to write.
    folder : Path
        Made; an empty one is taken.
    shards : int
        The number of files.
    encode : callable
        Frames a block of rows.

    Returns
    -------
    n, bytes : int
        What was written.

    Raises
    ------
    FormatError
        If there are fewer rows than shards, or none.
    FileExistsError
        If the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder}: expected no such folder or an empty one, for its files would be trained on")
    # One shard needs no count, and so no second pass over a CSV file.
    total = rows.count() if shards > 1 else None
    if total is not None and total < shards:
        raise FormatError(f"expected at least one row for each of {shards} shards, got {total}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True) as work:
        written = Path(work) / "shards"
        written.mkdir()
        blocks = _Cut(ahead(rows.blocks()))
        n = size = 0
        for shard in range(shards):
            limit = None if total is None else total // shards + (shard < total % shards)
            with (written / f"part-{shard:05}.pbr").open("wb", buffering=0) as file:
                for block in blocks.take(limit):
                    frames = encode(block)
                    file.write(frames.data)
                    n += len(block)
                    size += frames.nbytes
        if not n or n != (total or n) or next(blocks.take(1), None) is not None:
            raise FormatError(f"expected {total or 'some'} rows, got {n}")
        if folder.exists():
            folder.rmdir()
        shutil.move(written, folder)
    return n, size


def write_file(rows: Rows, path: Path) -> tuple[int, int]:
    """Write a file of the format that its suffix names: .csv, .npy, .npz or .parquet.

    Returns
    -------
    n, bytes : int
        What was written.
    """
    with replacing(path) as file:
        n = _WRITERS[path.suffix.lower()](rows, file)
    return n, path.stat().st_size


class _Cut:
    """Blocks, cut anew where a shard ends."""

    def __init__(self, blocks: Iterator[FloatArray]) -> None:
        self._blocks = blocks
        self._rest: FloatArray | None = None

    def take(self, limit: int | None) -> Iterator[FloatArray]:
        """Give the next `limit` rows, or all."""
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
    n = rows.count()
    header = {"descr": "<f4", "fortran_order": False, "shape": (n, rows.n_features)}
    np.lib.format.write_array_header_1_0(file, header)
    written = 0
    for block in ahead(rows.blocks()):
        file.write(block.data)
        written += len(block)
    if written != n:
        raise FormatError(f"expected {n} rows, got {written}")
    return n


def _write_npz(rows: Rows, file: IO[bytes]) -> int:
    with zipfile.ZipFile(file, "w") as archive, archive.open("rows.npy", "w", force_zip64=True) as member:
        return _write_npy(rows, member)


def _write_csv(rows: Rows, file: IO[bytes]) -> int:
    import pyarrow.csv

    schema = _schema(rows)
    options = pyarrow.csv.WriteOptions(include_header=False)
    with pyarrow.csv.CSVWriter(file, schema, write_options=options) as writer:
        return _write_batches(writer, schema, ahead(rows.blocks()))


def _write_parquet(rows: Rows, file: IO[bytes]) -> int:
    import pyarrow.parquet

    schema = _schema(rows)
    # Numbers seldom come twice: a dictionary of them would cost time and space.
    with pyarrow.parquet.ParquetWriter(file, schema, use_dictionary=False) as writer:
        return _write_batches(writer, schema, ahead(rows.blocks()))


def _schema(rows: Rows) -> Any:
    import pyarrow

    return pyarrow.schema([(f"feature_{column}", pyarrow.float32()) for column in range(rows.n_features)])


def _write_batches(writer: Any, schema: Any, blocks: Iterable[FloatArray]) -> int:
    import pyarrow

    n = 0
    for block in blocks:
        columns = list(map(pyarrow.array, np.ascontiguousarray(block.T)))
        writer.write_batch(pyarrow.record_batch(columns, schema=schema))
        n += len(block)
    return n


_WRITERS: dict[str, Callable[[Rows, IO[bytes]], int]] = {
    ".npy": _write_npy,
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
SUFFIXES = tuple(_WRITERS)
