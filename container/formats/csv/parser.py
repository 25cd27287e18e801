"""CSV of numbers: no header, a comma between cells, a line for each row.

This module has two parsers of one grammar. The first goes line by line and is the reference: it reads short texts,
where it is the faster one, and finds the record and column of whatever is wrong. The second is pyarrow's, for long
texts; what it can't read is read again by the first one. Both round a decimal to float64 and that, unless float64 is
asked for, to float32, so that a number means the same in a text of any length. The plain lines of files and requests
are decoded elsewhere, by `decode_kernel` and by the codec of `serve`, which leave all other lines to this module.
"""

import csv
import re
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.formats import magic
from container.formats.errors import FormatError, MissingValueError, excerpt, located, not_finite
from container.formats.numbers import held

# A call of pyarrow takes 0.3 to 3 ms for a text of any length: as long as the other parser takes for this many lines.
_SHORT_TEXT_LINES: Final = 64
# pyarrow works block by block; this size measured best. A block must hold a whole line.
_BLOCK_BYTES: Final = 1 << 20
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
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
_NOT_FINITE = re.compile(r"[ \t]*[+-]?(?:nan|inf|infinity)[ \t]*", re.IGNORECASE)
# A quotation mark in the middle of a cell, which pyarrow would drop silently.
_STRAY_QUOTE = re.compile(rb'"(?<=[^,\n]")(?=[^,\r\n])')


def parse(
    data: bytes, columns: int | None, *, labels: int = 0, first_record: int = 1, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Return rows of numbers.

    Lines may end in CR LF, numbers may be in quotation marks, and empty lines at the end are ignored.

    Parameters
    ----------
    data : bytes
        Text in UTF-8.
    columns : int or None
        The numbers a row must have, without labels; None takes them from the first line.
    labels : int
        Leading columns that are not looked at; they may hold any text.
    first_record : int
        The number of the first line in errors; a header line is recognised only in line 1.
    dtype : type
        That of the rows, float32 or float64.

    Returns
    -------
    ndarray of dtype, shape (n, columns)
        C-contiguous; numbers that are finite in float32 only.

    Raises
    ------
    FormatError
        With record and column (labels count), or one of its subclasses when a number is NaN or not in float32's range.
    """
    text = data.rstrip(b"\r\n")
    if first_record == 1:
        magic.refuse_others(data, magic.CSV)
        text = text.removeprefix(_BYTE_ORDER_MARK)
    lines = text.count(b"\n") + 1 if text else 0
    if columns is None:
        columns = max(0, column_count(text[: text.find(b"\n") + 1] or text, first_record) - labels)
    if lines > _SHORT_TEXT_LINES and columns and not (b'"' in text and _STRAY_QUOTE.search(text)):
        rows = _parse_long(text, lines, columns, labels, dtype)
        if rows is not None:
            return rows
    return _parse_lines(text, columns, labels, first_record, dtype)


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
        return len(_cells(text.decode("utf-8", "surrogateescape")))


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


def _parse_lines(data: bytes, columns: int, labels: int, first_record: int, dtype: DTypeLike) -> NDArray[Any]:
    lines = data.decode("utf-8", "surrogateescape").split("\n") if data else []
    rows: list[list[float]] = []
    with located() as place:
        for place.record, line in enumerate(lines, first_record):
            try:
                rows.append(_row(line.removesuffix("\r"), columns, labels))
            except FormatError as error:
                if place.record > 1 or error.column is None or not _looks_like_header(line, labels):
                    raise
                raise type(error)(f"{error.text} (a header line is not expected)", column=error.column) from error
    return held(np.array(rows, np.float64).reshape(len(rows), columns), dtype)[0]


def _row(line: str, columns: int, labels: int) -> list[float]:
    refuse_lone_returns(line, labels)
    cells = _cells(line)
    if len(cells) != columns + labels:
        raise FormatError(f"expected {columns + labels} columns, got {len(cells) or 'an empty line'}")
    del cells[:labels]
    try:
        row = list(map(float, cells))
    except ValueError:
        row = []
    if row and _PLAIN_LINE.fullmatch(line) and -_BEYOND_FLOAT32 < min(row) <= max(row) < _BEYOND_FLOAT32:
        return row
    return [_number(cell, column) for column, cell in enumerate(cells, labels + 1)]


def _cells(line: str) -> list[str]:
    if '"' not in line:
        return line.split(",") if line else []
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        if "\r" in line:
            raise FormatError(_LONE_RETURNS) from error
        raise FormatError(f"expected cells with matching quotation marks, got {excerpt(line)} ({error})") from error


def _number(cell: str, column: int) -> float:
    if _NUMBER.fullmatch(cell) or _NOT_FINITE.fullmatch(cell):
        value = float(cell)
        if abs(value) < _BEYOND_FLOAT32:
            return value
        raise not_finite(value, column)
    if not cell.strip():
        raise MissingValueError("expected a number, got an empty cell", column=column)
    broken = next((character for character in cell if "\udc80" <= character <= "\udcff"), None)
    if broken is not None:
        raise FormatError(f"expected text in UTF-8, got the byte 0x{ord(broken) - 0xDC00:02x}", column=column)
    raise FormatError(f"expected a number, got {excerpt(cell)}", column=column)


def _looks_like_header(line: str, labels: int) -> bool:
    return not any(_NUMBER.fullmatch(cell) or _NOT_FINITE.fullmatch(cell) for cell in _cells(line)[labels:])


def _parse_long(data: bytes, lines: int, columns: int, labels: int, dtype: DTypeLike) -> NDArray[Any] | None:
    """Return the rows that pyarrow reads, or None if it can't read them, or if they need a closer look."""
    # Imported here because it costs more time than a short text takes to read.
    import pyarrow
    import pyarrow.csv

    first_line_bytes = data.find(b"\n") + 1
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.py_buffer(data + b"\n"),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,
                block_size=min(max(_BLOCK_BYTES, 2 * first_line_bytes), 1 << 30),
                column_names=_column_names(columns + labels),
            ),
            parse_options=pyarrow.csv.ParseOptions(ignore_empty_lines=False),
            convert_options=_convert_options(columns, labels),
        )
    except pyarrow.ArrowInvalid:
        return None
    # pyarrow also ends lines at a lone CR, and would accept CR LF LF as it does LF.
    if table.num_rows != lines:
        return None
    rows = np.empty((lines, columns), dtype)
    begin = 0
    with np.errstate(over="ignore", under="ignore"):
        for batch in table.to_batches():
            rows[begin : begin + len(batch)] = batch.to_tensor().to_numpy()
            begin += len(batch)
    return rows if held(rows, dtype)[1].all() else None


def _column_names(count: int) -> list[str]:
    return [str(column) for column in range(count)]


def _convert_options(columns: int, labels: int) -> Any:
    import pyarrow
    import pyarrow.csv

    read = _column_names(columns + labels)[labels:]
    return pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(read, pyarrow.float64()),
        include_columns=read,
        null_values=[],
        strings_can_be_null=False,
        check_utf8=False,
    )
