"""Rows out of CSV streams."""

import io
from typing import ClassVar

import numpy as np

from container.channels.reader import Reader
from container.formats import csv
from container.formats.errors import FormatError
from kmeans.types import FloatArray

_LINE_FEED = ord("\n")


class CSVReader(Reader):
    """Reads CSV: a line is a record, empty lines at the end of the stream are none.

    Without a `label_size` the first line tells whether there is a label: it has `feature_dim` columns, or one more.
    """

    # Larger than for other content types: the parser of long texts has a fixed cost a call.
    window_bytes: ClassVar[int] = 4 << 20

    def __init__(self, stream: io.RawIOBase | io.BytesIO, feature_dim: int, label_size: int | None) -> None:
        super().__init__(stream, feature_dim, label_size)
        self._ends = np.empty(0, np.int64)  # of the lines in the window, as offsets into its buffer
        self._ended = False

    def read(self, out: FloatArray) -> int:
        """See `Reader.read`."""
        row = 0
        while row < len(out) and self._find_lines():
            lines = min(len(out) - row, len(self._ends))
            text = self._take(lines)
            if self.label_size is None:
                self.label_size = self._label_size(text)
            rows = csv.parse(text, self.feature_dim, labels=self.label_size, first_record=self.records + 1)
            out[row : row + len(rows)] = rows
            row += len(rows)
            self.records += len(rows)
            if len(rows) < lines:
                expected = self.feature_dim + self.label_size
                raise FormatError(f"expected {expected} columns, got an empty line", record=self.records + 1)
        return row

    def skip(self, count: int) -> int:
        """See `Reader.skip`."""
        skipped = 0
        while skipped < count and self._find_lines():
            lines = min(count - skipped, len(self._ends))
            text = self._take(lines)
            if self.label_size is None:
                self.label_size = self._label_size(text)
            self.records += lines
            skipped += lines
        return skipped

    def _label_size(self, text: bytes) -> int:
        columns = csv.column_count(text[: text.find(b"\n") + 1] or text, self.records + 1)
        if columns not in (self.feature_dim, self.feature_dim + 1):
            raise FormatError(
                f"expected {self.feature_dim} columns, or {self.feature_dim + 1} with a label first,"
                f" got {columns or 'an empty line'}",
                record=self.records + 1,
            )
        return columns - self.feature_dim

    def _take(self, lines: int) -> bytes:
        """Consume lines that were found."""
        begin, end = self.window.begin, int(self._ends[lines - 1])
        self.window.begin, self._ends = end, self._ends[lines:]
        return self.window.buffer[begin:end].tobytes()

    def _find_lines(self) -> bool:
        """Have at least one whole line in the window; tell whether there is one."""
        while not len(self._ends) and not self._ended:
            try:
                self._ended = not self.window.fill()
            except FormatError as error:
                error.record = self.records + 1
                raise
            content = self.window.content
            # Empty lines stay in the window until what follows tells whether they are the stream's end.
            filled = len(bytes(content).rstrip(b"\r\n"))
            ends = np.flatnonzero(np.frombuffer(content, np.uint8) == _LINE_FEED) + 1
            ends = ends[: np.searchsorted(ends, filled) + 1] if filled else ends[:0]
            if self._ended and filled:
                # All that is left is a last line without an end; whole lines were found before.
                ends = np.append(ends, len(content))
            self._ends = ends + self.window.begin
        return len(self._ends) > 0
