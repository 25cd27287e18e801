"""Rows out of RecordIO files.

Records that are nothing but a dense row are read by numpy, all others by the channels' reader, whose kernels take a
second to load.
"""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from container.conversion.rows import MAX_ROW_BYTES, Rows, all_rows, rows_in_a_block, width
from container.files.regular import open_regular
from container.formats.errors import FormatError, IncompleteError, located
from container.formats.recordio import frames, records
from container.formats.recordio.layout import plain_layout
from kmeans.types import FloatArray

if TYPE_CHECKING:
    from container.channels.recordio_reader import RecordIOReader


class RecordIORows(Rows):
    """Records of files, one after the other.

    Parameters
    ----------
    path : Path
        The folder, or the only file.
    files : sequence of Path
        The files, in order.
    left_out : str
        What is not read of the folder, in words.
    """

    def __init__(self, path: Path, files: Sequence[Path], left_out: str = "") -> None:
        self._path, self._files, self.left_out = path, files, left_out
        self.n_features = next(filter(None, map(self._record_features, self._files)), 0)
        if not self.n_features:
            raise FormatError("expected records, got none")

    def count(self) -> int:
        """Return the number of rows."""
        total = 0
        for file in self._files:
            with self._opened(file) as stream:
                plain = sum(map(len, _plain_rows(stream, self.n_features)))
                reader = _reader_of_rest(stream, self.n_features, plain)
                total += plain + (reader.count(guess=False) if reader else 0)
        return total

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        for file in self._files:
            with self._opened(file) as stream:
                plain = 0
                for block in _plain_rows(stream, self.n_features):
                    yield block
                    plain += len(block)
                if reader := _reader_of_rest(stream, self.n_features, plain):
                    yield from all_rows(reader)

    def _record_features(self, file: Path) -> int:
        """Return the number of features in the first record; 0 if the file is empty."""
        data = b""
        with self._opened(file) as stream:
            while len(data) < MAX_ROW_BYTES and (more := stream.read(max(1 << 16, len(data)))):
                data += more
                try:
                    payload, _ = frames.next_record(data, 0)
                except IncompleteError:
                    continue
                return width(records.feature_count(records.parse(payload)), 0)
            if data:
                frames.next_record(data, 0)
        return 0

    @contextmanager
    def _opened(self, file: Path) -> Iterator[io.FileIO]:
        """Open a file; errors name it, unless it is the only one."""
        named = "" if file == self._path else str(file)
        with open_regular(file, 0) as stream, located(file=named):
            yield stream


def _reader_of_rest(stream: io.FileIO, n_features: int, records: int) -> "RecordIOReader | None":
    """Return a reader positioned after `records` records, or None at the end of the file."""
    if stream.tell() == os.fstat(stream.fileno()).st_size:
        return None
    # Imported here: its kernels take a second to load.
    from container.channels.form import RecordForm
    from container.channels.recordio_reader import RecordIOReader

    reader = RecordIOReader(stream, RecordForm(n_features))
    reader.records = records
    return reader


def _plain_rows(stream: io.FileIO, n_features: int) -> Iterator[FloatArray]:
    """Yield rows, block by block, up to a block with a record that is more than a dense row, or is not finite.

    The stream, a file, is left where that block begins, or at its end. Rows so long that a block holds only one of them
    are all left: another reader is as good for them, and allocates nothing for what a few bytes only claim.
    """
    n_rows = rows_in_a_block(n_features)
    if n_rows == 1:
        return
    layout = plain_layout(n_features)
    buffer = memoryview(bytearray(n_rows * len(layout.frame)))
    while True:
        position = stream.tell()
        size = _fill(stream, buffer)
        n, rest = divmod(size, len(layout.frame))
        alike = not rest and layout.count_alike(buffer, 0, n) == n
        block = layout.numbers(buffer, 0, n) if alike else None
        if block is None or not np.isfinite(block).all():
            stream.seek(position)
            return
        if n:
            yield block
        if size < len(buffer):
            return


def _fill(stream: io.FileIO, out: memoryview) -> int:
    """Read as much as there is room for, or as there is; return the number of bytes."""
    read = 0
    while read < len(out) and (more := stream.readinto(out[read:])):
        read += more
    return read
