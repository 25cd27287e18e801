"""Rows out of CSV streams, plain or compressed by gzip."""

import io
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from container.channels import csv_piece
from container.channels.csv_piece import Piece
from container.channels.form import ReaderResources, RecordForm
from container.channels.reader import ByteReader, RowArray
from container.channels.team import Tasks, Team
from container.channels.window import Window
from container.formats import magic
from container.formats.csv import decode_kernel, header, line_kernel, parser
from container.formats.csv.parser import Cells
from container.formats.errors import FormatError, located
from container.formats.gunzipped import Gunzipped
from kmeans.source import GivenUpError

_LINE_FEED = ord("\n")
_END_OF_LINE: Final = re.compile(b"\n")
# Lines are searched in this many bytes at once, however many the window holds: the place of each takes 8.
_SEARCHED_BYTES: Final = 1 << 20


class CSVReader(ByteReader):
    """Reads CSV: a line is a record, empty lines at the end of the stream are ignored.

    Plain lines whose last cells are the features are decoded by the kernel, all others by
    `container.formats.csv.parser`.

    Without a `label_size` the first line decides whether there is a label: it has `feature_dim` columns, or one more.

    A team decodes pieces of many lines side by side, straight into their rows: a line is a row, unless it is wrong.
    """

    bytes_together: ClassVar[int] = 4 << 20
    # What one thread of a team decodes in about 1 ms, many times what it takes to wake it.
    piece_bytes: ClassVar[int] = 1 << 19

    # Of the first lines in the window, as offsets into its buffer; another array whenever they change.
    _ends: NDArray[np.int64] = np.empty(0, np.int64)
    _ended = False
    # Of all columns, if there is a header.
    _names: tuple[str, ...] = ()
    _ident: int | None = None

    def __init__(
        self,
        stream: io.RawIOBase | io.BytesIO,
        form: RecordForm,
        resources: ReaderResources | None = None,
    ) -> None:
        super().__init__(stream, form, resources)
        # What is read of a line, and whether that is known before the first one.
        self._cells = Cells.behind(form.label_size or 0, form.feature_dim, gaps=form.gaps)
        self._settled = form.label_size is not None
        if form.header:
            self._read_header()

    @classmethod
    def open(cls, stream: io.RawIOBase | io.BytesIO, form: RecordForm, resources: ReaderResources) -> Self:
        """See `Reader.open`."""
        if stream.seekable():
            head = stream.read(magic.HEAD_BYTES) or b""
            stream.seek(0)
            if magic.recognized(head) == magic.GZIP:
                stream = Gunzipped(stream)
        return cls(stream, form, resources)

    @classmethod
    def has_names(cls, form: RecordForm) -> bool:
        """See `Reader.has_names`."""
        return form.header

    @property
    def bytes_read(self) -> int:
        """See `Reader.bytes_read`."""
        return self.stream.bytes_read if isinstance(self.stream, Gunzipped) else self.window.bytes_read

    def _read_header(self) -> None:
        form = self.form
        if self._find_lines():
            with located(1, noun="line"):
                names = header.names(self._take(1))
                chosen = header.chosen_columns(names, form.selection, form.feature_dim, form.label_size)
            self.lines_before, self.noun, self._names = 1, "line", tuple(names)
            self.feature_names = self.feature_columns = chosen.names
            self.left_out = chosen.left_out
            self._cells, self._settled = Cells(len(names), chosen.numbers, form.gaps), True
            self._ident, self.weight_column = chosen.ident, chosen.weight

    @property
    def _line(self) -> int:
        """The number of the next line in the file."""
        return self.lines_before + self.records + 1

    def _new_window(self, size: int) -> Window:
        if self.team is None:
            return super()._new_window(size)
        asked = 2 * self.piece_bytes
        return Window(self.stream, 2 * self.team.count * asked, asked=asked)

    @classmethod
    def whole_records(cls, beginning: bytes) -> bytes:
        """See `Reader.whole_records`; the last line may be cut off anywhere."""
        return beginning[: beginning.rfind(b"\n") + 1]

    def read(self, out: RowArray) -> int:
        """See `Reader.read`."""
        with located(noun=self.noun, columns=self._names):
            return self._read_in_turn(out) if self.team is None else self._read_by_team(out, self.team)

    def _read_by_team(self, out: RowArray, team: Team) -> int:
        row = 0
        while row < len(out):
            rest = out[row:]
            few = self._rows_of_a_piece()
            if len(rest) < 2 * few:
                count = self._read_in_turn(rest)
            else:
                count = self._read_side_by_side(rest, team) or self._read_in_turn(rest[:few])
            if not count:
                break
            row += count
        return row

    def _rows_of_a_piece(self) -> int:
        """Return how many lines make a piece, if all are as long as the next one."""
        if not (self.window.content or self._fill()):
            return 1
        end = _END_OF_LINE.search(self.window.content)
        return max(1, self.piece_bytes // end.end()) if end else 1

    def _read_side_by_side(self, out: RowArray, team: Team) -> int:
        """Decode lines into rows, several at once; return how many, 0 if too few have come to divide them."""
        if self.window.short and len(self.window.content) < self.piece_bytes:
            return 0
        self._settle_labels()
        row = 0
        # A piece counts only if all before it are good.
        for piece, lines in self._decode_pieces(out, team):
            self.records += piece.rows
            if piece.rest:
                self._read_rest(piece.rest, out[row + piece.rows : row + lines])
            row += lines
        return row

    def _decode_pieces(self, out: RowArray, team: Team) -> list[tuple[Piece, int]]:
        """Decode pieces of lines into their rows, reading on meanwhile; return them with their numbers of lines."""
        window, row, sizes = self.window, 0, list[int]()
        # The next search for lines begins behind these.
        self._ends = self._ends[:0]
        with Tasks[Piece](team) as tasks:
            # Stop soon after a line that is not plain: it may be wrong.
            while row < len(out) and not any(piece.rest for piece in tasks.latest()):
                wanted = len(out) - row
                lines, end = self._piece(wanted)
                if lines < wanted and len(window.content) < self.piece_bytes and not window.short:
                    self._read_on(tasks)
                    lines, end = self._piece(wanted)
                if not lines:
                    break
                rows = out[row : row + lines]
                task = partial(csv_piece.decode, window.buffer, window.begin, end, self._cells, self._line + row, rows)
                window.begin, row = end, row + lines
                sizes.append(lines)
                # Whoever reads needs as much work of its own, while others decode this one.
                last = window.short and len(window.content) < self.piece_bytes
                tasks.add(task, here=last or wanted < 2 * lines)
            return list(zip(tasks.results(), sizes, strict=True))

    def _read_on(self, tasks: Tasks[Piece]) -> None:
        """Read more of the stream, while lines are decoded."""
        # Behind the last line there must be as many bytes as the kernel reads at once.
        if self.window.room < self.window.asked + decode_kernel.WORD:
            tasks.turn()
            self.window.turn()
        # The next read, behind the lines that are there, raises it again.
        with suppress(GivenUpError, OSError, FormatError):
            self.window.extend()

    def _piece(self, most: int) -> tuple[int, int]:
        """Return how many lines make the next piece, at most `most`, and its end in the window's buffer."""
        window = self.window
        near = min(window.begin + self.piece_bytes, window.end)
        lines, behind = line_kernel.piece(window.buffer, window.begin, near, window.end, most)
        return int(lines), int(behind)

    def _read_rest(self, lines: bytes, out: RowArray) -> None:
        """Decode as many lines as there are rows, of which the first is not plain."""
        reader = CSVReader(io.BytesIO(lines), RecordForm(self.width), ReaderResources(len(lines) + decode_kernel.WORD))
        reader.records, reader.lines_before = self.records, self.lines_before
        reader._cells, reader._settled = self._cells, True
        try:
            reader.read(out)
        finally:
            self.records = reader.records

    def _read_in_turn(self, out: RowArray) -> int:
        """Decode lines into rows, one after the other; return how many: fewer than `out` holds only at the end."""
        row = 0
        while row < len(out):
            self._settle_labels()
            if self._cells.is_tail:
                row = self._read_plain(out, row)
            if row == len(out) or not self._find_lines():
                break
            lines = min(len(out) - row, len(self._ends))
            rows = parser.parse_cells(self._take(lines), self._cells, first_record=self._line, dtype=out.dtype)
            out[row : row + len(rows)] = rows
            row += len(rows)
            self.records += len(rows)
            if len(rows) < lines:
                raise FormatError(f"expected {self._cells.count} columns, got an empty line", record=self._line)
        return row

    def _read_plain(self, out: RowArray, row: int) -> int:
        """Decode plain lines into the rows from `row` on; return the next row to write."""
        window = self.window
        while True:
            # Products of words wrap around; numpy would warn of it when the kernel is not compiled.
            with np.errstate(over="ignore"):
                status, begin, end = decode_kernel.decode(
                    window.buffer, window.begin, window.end, self._cells.labels, out, row
                )
            self._ends = self._ends[int(end) - row :]
            self.records += int(end) - row
            window.begin, row = int(begin), int(end)
            if status != decode_kernel.MORE or len(self._ends) or not self._fill():
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

    def ids(self) -> Iterator[Any]:
        """See `Reader.ids`."""
        while self._ident is not None and self._find_lines():
            lines = len(self._ends)
            with located(noun=self.noun, columns=self._names):
                found = parser.texts(self._take(lines), self._cells.count, self._ident, self._line)
            self.records += len(found)
            yield found

    def _settle_labels(self) -> None:
        """Let the first line decide how many labels there are, unless it is known."""
        if self._settled or not self._find_lines():
            return
        line = self.window.buffer[self.window.begin : self._ends[0]].tobytes()
        columns = parser.column_count(line, self._line)
        if columns not in (self.width, self.width + 1):
            text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
            parser.refuse_lone_returns(text, labels=0, record=self._line)
            raise FormatError(
                f"expected {self.width} columns, or {self.width + 1} with a label first,"
                f" got {columns or 'an empty line'}",
                record=self._line,
            )
        self._cells = Cells.behind(columns - self.width, self.width, gaps=self.form.gaps)
        self._settled = True

    def _take(self, lines: int) -> bytes:
        """Consume lines that were found; return them."""
        begin, end = self.window.begin, int(self._ends[lines - 1])
        self.window.begin, self._ends = end, self._ends[lines:]
        return self.window.buffer[begin:end].tobytes()

    def _find_lines(self) -> bool:
        """Read until there is a whole line in the window; return whether there is one."""
        while not len(self._ends):
            content = self.window.content
            # Empty lines stay in the window until it is known whether more follows: at the stream's end they are none.
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
        """Read more of the stream, and note its end; return whether anything came."""
        begins = not self.records and not self.window.bytes_read
        with located(self._line):
            came = not self._ended and self.window.fill()
            if begins:
                self._check_beginning()
        self._ended = not came
        return came

    def _check_beginning(self) -> None:
        beginning = self.window.content
        # Files were unpacked.
        if not isinstance(self.stream, Gunzipped) and magic.recognized(beginning) == magic.GZIP:
            raise FormatError("expected CSV, got gzip: SageMaker unpacks it if the channel's CompressionType is Gzip")
        magic.refuse_others(beginning, magic.CSV)


def _filled_bytes(content: memoryview) -> int:
    """Return the number of bytes before the line ends that content ends with, without a copy of all of it."""
    end = len(content)
    while end:
        begin = max(0, end - _SEARCHED_BYTES)
        if filled := len(bytes(content[begin:end]).rstrip(b"\r\n")):
            return begin + filled
        end = begin
    return 0
