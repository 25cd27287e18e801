"""Rows out of RecordIO files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from container.channels.files import data_files
from container.channels.reader import Reader
from container.channels.recordio import RecordIOReader
from container.conversion.rows import MAX_ROW_BYTES, rows_in_a_block, width
from container.formats import recordio
from container.formats.errors import FormatError, IncompleteError
from kmeans.types import FloatArray


class RecordIORows:
    """The files of a folder, in sorted order, or one file."""

    def __init__(self, path: Path) -> None:
        self._files = data_files(path) if path.is_dir() else [path]
        self.n_features = next(filter(None, map(_record_features, self._files)), 0)
        if not self.n_features:
            raise FormatError("expected records, got none")

    def count(self) -> int:
        """Give the number of rows."""
        total = 0
        for file in self._files:
            with file.open("rb", buffering=0) as stream:
                total += RecordIOReader(stream, self.n_features, None).count(guess=False)
        return total

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        for file in self._files:
            with file.open("rb", buffering=0) as stream:
                try:
                    yield from _read_all(RecordIOReader(stream, self.n_features, None))
                except FormatError as error:
                    error.text = f"{file.name}: {error.text}"
                    raise


def _read_all(reader: Reader) -> Iterator[FloatArray]:
    size = rows_in_a_block(reader.feature_dim)
    while True:
        block = np.empty((size, reader.feature_dim), np.float32)
        read = reader.read(block)
        if read:
            yield block[:read]
        if read < size:
            return


def _record_features(file: Path) -> int:
    """Give the numbers of the first record's row; 0 if the file is empty."""
    data = b""
    with file.open("rb") as stream:
        while len(data) < MAX_ROW_BYTES and (more := stream.read(max(1 << 16, len(data)))):
            data += more
            try:
                payload, _ = recordio.next_record(data, 0)
            except IncompleteError:
                continue
            return width(recordio.feature_count(recordio.parse(payload)), 0)
    if data:
        recordio.next_record(data, 0)
    return 0
