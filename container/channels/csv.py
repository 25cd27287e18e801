"""Rows out of CSV streams."""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from container.channels import csv_kernel
from container.channels.reader import Reader, RowArray
from container.channels.recordio_kernel import MORE
from container.formats import csv, magic
from container.formats.errors import FormatError

_LINE_FEED = ord("\n")
_END_OF_LINE: Final = re.compile(b"\n")
# Lines are looked for in so many bytes at once, however many the window holds: the place of each takes 8.
_SEARCHED_BYTES: Final = 1 << 20


class CSVReader(Reader):
    """Reads CSV: a line is a record, empty lines at the end of the stream are none.

    Plain lines are decoded by the kernel, all others by the parsers of `container.formats.csv`.

    Without a `label_size` the first line tells whether there is a label: it has `feature_dim` columns, or one more.
    """

    # Of the first lines in the window, as offsets into its buffer; another array whenever they change.
    _ends: NDArray[np.int64] = np.empty(0, np.int64)
    _ended = False

    @classmethod
    def whole_records(cls, beginning: bytes) -> bytes:
        """See `Reader.whole_records`; the last line may be cut off anywhere."""
        return beginning[: beginning.rfind(b"\n") + 1]

    def read(self, out: RowArray) -> int:
        """See `Reader.read`."""
        row = 0
        while row < len(out):
            self._settle_labels()
            row = self._read_plain(out, row)
            if row == len(out) or not self._find_lines():
                break
            lines = min(len(out) - row, len(self._ends))
            labels = self.label_size or 0
            rows = csv.parse(
                self._take(lines), self.feature_dim, labels=labels, first_record=self.records + 1, dtype=out.dtype
            )
            out[row : row + len(rows)] = rows
            row += len(rows)
            self.records += len(rows)
            if len(rows) < lines:
                expected = self.feature_dim + labels
                raise FormatError(f"expected {expected} columns, got an empty line", record=self.records + 1)
        return row

    def _read_plain(self, out: RowArray, row: int) -> int:
        """Decode plain lines into the rows from `row` on; give the next row to write."""
        window = self.window
        while True:
            # Products of words wrap around, of which numpy would warn where there is no machine code.
            with np.errstate(over="ignore"):
                status, begin, end = csv_kernel.decode(
                    window.buffer, window.begin, window.end, self.label_size or 0, out, row
                )
            self._ends = self._ends[int(end) - row :]
            self.records += int(end) - row
            window.begin, row = int(begin), int(end)
            if status != MORE or len(self._ends) or not self._fill():
                return row

    def skip(self, count: int) -> int:
        """See `Reader.skip`."""
        skipped = 0
        while skipped < count and self._find_lines():
            lines = min(count - skipped, len(self._ends))
            self._settle_labels()
            self._take(lines)
            self.records += lines
            skipped += lines
        return skipped

    def _settle_labels(self) -> None:
        """Let the first line tell how many labels there are, unless it is known."""
        if self.label_size is not None or not self._find_lines():
            return
        line = self.window.buffer[self.window.begin : self._ends[0]].tobytes()
        columns = csv.column_count(line, self.records + 1)
        if columns not in (self.feature_dim, self.feature_dim + 1):
            text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
            csv.refuse_lone_returns(text, labels=0, record=self.records + 1)
            raise FormatError(
                f"expected {self.feature_dim} columns, or {self.feature_dim + 1} with a label first,"
                f" got {columns or 'an empty line'}",
                record=self.records + 1,
            )
        self.label_size = columns - self.feature_dim

    def _take(self, lines: int) -> bytes:
        """Consume lines that were found."""
        begin, end = self.window.begin, int(self._ends[lines - 1])
        self.window.begin, self._ends = end, self._ends[lines:]
        return self.window.buffer[begin:end].tobytes()

    def _find_lines(self) -> bool:
        """Have at least one whole line in the window; tell whether there is one."""
        while not len(self._ends):
            content = self.window.content
            # Empty lines stay in the window until what follows tells whether they are the stream's end.
            if filled := _filled_bytes(content):
                some = np.frombuffer(content[: min(filled + 1, _SEARCHED_BYTES)], np.uint8)
                ends = np.flatnonzero(some == _LINE_FEED) + 1
                if not len(ends):
                    if end := _END_OF_LINE.search(content, len(some)):
                        ends = np.array([end.end()])
                    elif self._ended:
                        # All that is left is a last line without an end.
                        ends = np.array([len(content)])
                self._ends = ends + self.window.begin
            if not len(self._ends):
                if self._ended:
                    break
                self._fill()
        return len(self._ends) > 0

    def _fill(self) -> bool:
        """Read more of the stream; tell whether anything came, and note its end."""
        begins = not self.records and not self.window.bytes_read
        try:
            came = not self._ended and self.window.fill()
            if begins:
                magic.refuse_others(self.window.content, magic.CSV)
        except FormatError as error:
            error.record = self.records + 1
            raise
        self._ended = not came
        return came


def _filled_bytes(content: memoryview) -> int:
    """Return the number of bytes before the line ends at the end; no copy of them all is made."""
    end = len(content)
    while end:
        begin = max(0, end - _SEARCHED_BYTES)
        if filled := len(bytes(content[begin:end]).rstrip(b"\r\n")):
            return begin + filled
        end = begin
    return 0
