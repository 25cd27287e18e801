"""Rows out of RecordIO files."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from container.channels.files import channel_files, shown
from container.conversion.dense import plain_rows
from container.conversion.rows import MAX_ROW_BYTES, Rows, all_rows, width
from container.files.regular import open_regular
from container.formats.errors import FormatError, IncompleteError
from container.formats.recordio import records as recordio
from kmeans.types import FloatArray

if TYPE_CHECKING:
    from container.channels.recordio_reader import RecordIOReader


class RecordIORows(Rows):
    """The files of a folder, in sorted order, or one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = [path]
        if path.is_dir():
            self._files, others = channel_files(path)
            if others:
                self.left_out = f"{len(others)} files or folders that are no data, {shown(others, path)}"
        self.n_features = next(filter(None, map(self._record_features, self._files)), 0)
        if not self.n_features:
            raise FormatError("expected records, got none")

    def count(self) -> int:
        """Give the number of rows."""
        total = 0
        for file in self._files:
            with self._opened(file) as stream:
                plain = sum(map(len, plain_rows(stream, self.n_features)))
                reader = _reader_of_rest(stream, self.n_features, plain)
                total += plain + (reader.count(guess=False) if reader else 0)
        return total

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        for file in self._files:
            with self._opened(file) as stream:
                plain = 0
                for block in plain_rows(stream, self.n_features):
                    yield block
                    plain += len(block)
                if reader := _reader_of_rest(stream, self.n_features, plain):
                    yield from all_rows(reader)

    def _record_features(self, file: Path) -> int:
        """Give the numbers of the first record's row; 0 if the file is empty."""
        data = b""
        with self._opened(file) as stream:
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

    @contextmanager
    def _opened(self, file: Path) -> Iterator[io.FileIO]:
        """Open a file; what is said of a fault in it names it, unless it is the only one."""
        with open_regular(file, 0) as stream:
            try:
                yield stream
            except FormatError as error:
                if file != self._path:
                    error.text, error.record, error.column = f"{file.relative_to(self._path)}, {error}", None, None
                raise


def _reader_of_rest(stream: io.FileIO, n_features: int, records: int) -> "RecordIOReader | None":
    """Give a reader of any record for what is left behind so many records; None if that is nothing."""
    if stream.tell() == os.fstat(stream.fileno()).st_size:
        return None
    # Imported here: its kernels take a second to load.
    from container.channels.recordio_reader import RecordIOReader

    reader = RecordIOReader(stream, n_features, None)
    reader.records = records
    return reader
