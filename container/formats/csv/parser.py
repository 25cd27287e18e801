"""CSV of numbers, after its header if it has one: a comma between cells, a line for each row.

This module has two parsers of one grammar. The first goes line by line and is the reference: it reads short texts,
where it is the faster one, and finds the record and column of whatever is wrong. The second is pyarrow's, for long
texts; what it can't read is read again by the first one. Both round a decimal to float64 and that, unless float64 is
asked for, to float32, so that a number means the same in a text of any length. The plain lines of files and requests
are decoded elsewhere, by `decode_kernel` and by the codec of `serve`, which leave all other lines to this module.
"""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.formats import magic
from container.formats.csv import long_text
from container.formats.errors import FormatError, MissingValueError, excerpt, located, not_finite
from container.formats.numbers import held

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# Half a step above the largest float32: from there on numbers round to infinity.
_BEYOND_FLOAT32: Final = 2.0**128 * (1 - 2.0**-25)
_NUMBER = re.compile(r"[ \t]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*")
# In a line of these characters alone, float() accepts just what `_NUMBER` does.
_PLAIN_LINE = re.compile(r"[0-9+\-.eE, \t]*")
_LONE_RETURNS: Final = "expected lines that end in LF or CR LF, got CR alone: `tr '\\r' '\\n'` makes LF of it"
_MORE_RETURNS: Final = (
    "expected lines that end in LF or CR LF, got additional CR before LF: `tr -d '\\r'` leaves LF alone"
)
# What no text holds, such as bytes that are not UTF-8: CR is no end of a line there.
_BINARY = re.compile("[\x00-\x08\x0e-\x1f\udc80-\udcff]")
_GAPS: Final = frozenset(map(str.lower, long_text.GAPS))
_HEADER: Final = "a header line is not expected: the content type text/csv;header=present announces one"
_NOT_FINITE = re.compile(r"[ \t]*[+-]?(?:nan|inf|infinity)[ \t]*", re.IGNORECASE)


@dataclass(frozen=True)
class Cells:
    """What is read of a line.

    Attributes
    ----------
    count : int
        The number of cells that a line must have.
    features : sequence of int
        Those that hold numbers, from 0, in the order of a row; the others are not looked at and may hold any text.
    gaps : bool
        Whether a number may be missing: NaN stands for an empty cell, and for the words of `long_text.GAPS`.
    """

    count: int
    features: Sequence[int]
    gaps: bool = False

    @classmethod
    def behind(cls, labels: int, n_features: int, *, gaps: bool = False) -> "Cells":
        """Return the cells of lines that begin with labels."""
        return cls(labels + n_features, range(labels, labels + n_features), gaps)

    @cached_property
    def labels(self) -> int:
        """The number of cells before the first one that is read."""
        return min(self.features, default=0)

    @cached_property
    def is_tail(self) -> bool:
        """Whether all cells behind the labels are read, in their order."""
        return [*self.features] == [*range(self.labels, self.count)]


def parse(
    data: bytes, columns: int | None, *, labels: int = 0, first_record: int = 1, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Return rows of numbers, of lines that begin with labels; see `parse_cells`.

    Parameters
    ----------
    data : bytes
        Text in UTF-8.
    columns : int or None
        The numbers a row must have, without labels; None takes them from the first line.
    labels : int
        Leading columns that are not looked at; they may hold any text.
    first_record : int
        As for `parse_cells`.
    dtype : type
        As for `parse_cells`.

    Returns
    -------
    ndarray of dtype, shape (n, columns)
        C-contiguous; only numbers that are finite in float32.
    """
    if columns is None:
        if first_record == 1:
            magic.refuse_others(data, magic.CSV)
        line = data.rstrip(b"\r\n").partition(b"\n")[0].removeprefix(BYTE_ORDER_MARK)
        columns = max(0, column_count(line, first_record) - labels)
    return parse_cells(data, Cells.behind(labels, columns), first_record=first_record, dtype=dtype)


def parse_cells(data: bytes, cells: Cells, *, first_record: int = 1, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return rows of numbers.

    Lines may end in CR LF, numbers may be in quotation marks, and empty lines at the end are ignored.

    Parameters
    ----------
    data : bytes
        Text in UTF-8.
    cells : Cells
        What is read of a line.
    first_record : int
        The number of the first line in errors; a header line is recognised only in line 1.
    dtype : type
        That of the rows, float32 or float64.

    Returns
    -------
    ndarray of dtype, shape (n, d)
        C-contiguous; only numbers that are finite in float32, and gaps.

    Raises
    ------
    FormatError
        With record and column (labels count), or one of its subclasses when a number is NaN or not in float32's range.
    """
    text = data.rstrip(b"\r\n")
    if first_record == 1:
        magic.refuse_others(data, magic.CSV)
        text = text.removeprefix(BYTE_ORDER_MARK)
    lines = text.count(b"\n") + 1 if text else 0
    rows = _parse_long(text, lines, cells, dtype)
    return _parse_lines(text, cells, first_record, dtype) if rows is None else rows


def texts(data: bytes, count: int, column: int, first_record: int) -> Any:
    """Return a column of lines as it is, without quotation marks.

    Parameters
    ----------
    data : bytes
        Lines of UTF-8.
    count : int
        The number of cells that a line must have.
    column : int
        The column, from 0.
    first_record : int
        The number of the first line in errors.

    Returns
    -------
    pyarrow.Array
        A text for each line.

    Raises
    ------
    FormatError
        With record, if a line has another number of cells, or is not UTF-8.
    """
    import pyarrow

    text = data.rstrip(b"\r\n")
    batches = long_text.batches(text, text.count(b"\n") + 1, count, [column])
    if batches is not None:
        return pyarrow.concat_arrays([batch.column(0) for batch in batches])
    found = []
    with located() as place:
        for place.record, line in enumerate(text.decode("utf-8", "surrogateescape").split("\n"), first_record):
            cells = cells_of(line.removesuffix("\r"))
            if len(cells) != count:
                raise FormatError(f"expected {count} columns, got {len(cells) or 'an empty line'}")
            _refuse_other_bytes(cells[column], column)
            found.append(cells[column])
    return pyarrow.array(found, pyarrow.string())


def column_count(line: bytes, record: int) -> int:
    """Return the number of cells in a line, 0 for an empty one.

    Parameters
    ----------
    line : bytes
        With or without its end.
    record : int
        The line's number, for an error.

    Returns
    -------
    int

    Raises
    ------
    FormatError
        If quotation marks don't match.
    """
    text = line.rstrip(b"\r\n")
    if b'"' not in text:
        return text.count(b",") + 1 if text else 0
    with located(record):
        return len(cells_of(text.decode("utf-8", "surrogateescape")))


def refuse_lone_returns(line: str, labels: int, record: int | None = None) -> None:
    """Raise an error if a line of text contains CR, as when all lines end in CR alone and look like one.

    Parameters
    ----------
    line : str
        Without its end.
    labels : int
        Leading columns that are not looked at.
    record : int, optional
        The line's number, for the error.

    Raises
    ------
    FormatError
        If there is one; a line with quotation marks is not looked at.
    """
    if "\r" in line and '"' not in line and "\r" in line.split(",", labels)[-1] and not _BINARY.search(line):
        raise FormatError(_LONE_RETURNS if "\r" in line.strip("\r") else _MORE_RETURNS, record=record)


def _parse_lines(data: bytes, cells: Cells, first_record: int, dtype: DTypeLike) -> NDArray[Any]:
    lines = data.decode("utf-8", "surrogateescape").split("\n") if data else []
    rows: list[list[float]] = []
    with located() as place:
        for place.record, line in enumerate(lines, first_record):
            try:
                rows.append(_row(line.removesuffix("\r"), cells))
            except FormatError as error:
                if place.record > 1 or error.column is None or not _looks_like_header(line, cells):
                    raise
                raise type(error)(f"{error.text} ({_HEADER})", column=error.column) from error
    return held(np.array(rows, np.float64).reshape(len(rows), len(cells.features)), dtype)[0]


def _row(line: str, cells: Cells) -> list[float]:
    refuse_lone_returns(line, cells.labels)
    texts = cells_of(line)
    if len(texts) != cells.count:
        raise FormatError(f"expected {cells.count} columns, got {len(texts) or 'an empty line'}")
    read = [texts[column] for column in cells.features]
    try:
        row = list(map(float, read))
    except ValueError:
        row = []
    if row and _PLAIN_LINE.fullmatch(line) and -_BEYOND_FLOAT32 < min(row) <= max(row) < _BEYOND_FLOAT32:
        return row
    return [
        math.nan if cells.gaps and text.strip().lower() in _GAPS else _number(text, column)
        for text, column in zip(read, cells.features, strict=True)
    ]


def cells_of(line: str) -> list[str]:
    """Return the cells of a line without its end; a FormatError says so if quotation marks don't match."""
    if '"' not in line:
        return line.split(",") if line else []
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        if "\r" in line:
            raise FormatError(_LONE_RETURNS) from error
        expected = "expected cells with matching quotation marks within a line"
        raise FormatError(f"{expected}, got {excerpt(line)} ({error})") from error


def _number(cell: str, column: int) -> float:
    if _NUMBER.fullmatch(cell) or _NOT_FINITE.fullmatch(cell):
        value = float(cell)
        if abs(value) < _BEYOND_FLOAT32:
            return value
        raise not_finite(value, column)
    if not cell.strip():
        raise MissingValueError("expected a number, got an empty cell", column=column)
    _refuse_other_bytes(cell, column)
    raise FormatError(f"expected a number, got {excerpt(cell)}", column=column)


def _refuse_other_bytes(cell: str, column: int) -> None:
    broken = next((character for character in cell if "\udc80" <= character <= "\udcff"), None)
    if broken is not None:
        raise FormatError(f"expected text in UTF-8, got the byte 0x{ord(broken) - 0xDC00:02x}", column=column)


def _looks_like_header(line: str, cells: Cells) -> bool:
    texts = cells_of(line)
    return not any(
        _NUMBER.fullmatch(texts[column]) or _NOT_FINITE.fullmatch(texts[column]) for column in cells.features
    )


def _parse_long(data: bytes, lines: int, cells: Cells, dtype: DTypeLike) -> NDArray[Any] | None:
    """Return the rows that pyarrow reads, or None if it can't read them, or if they need a closer look."""
    batches = long_text.batches(data, lines, cells.count, cells.features, gaps=cells.gaps)
    if batches is None:
        return None
    rows = np.empty((lines, len(cells.features)), dtype)
    begin = 0
    with np.errstate(over="ignore", under="ignore"):
        for batch in batches:
            rows[begin : begin + len(batch)] = batch.to_tensor(null_to_nan=cells.gaps).to_numpy()
            begin += len(batch)
    finite = held(rows, dtype)[1]
    return rows if finite.all() or (cells.gaps and (finite | np.isnan(rows)).all()) else None
