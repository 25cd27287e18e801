"""CSV of which only some columns are read, with other delimiters than commas, or with gaps.

pyarrow reads most of it. Text that it refuses, and text with quotation marks, is first rewritten line by line, as plain
CSV of the columns that are read; `container.formats.csv.parser` then reads that, and finds the place of an error.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from container.formats.csv import parser
from container.formats.csv.long_text import GAPS
from container.formats.errors import FormatError, excerpt, located
from kmeans.types import DoubleArray, FloatArray

# Where pyarrow does not compare them, case and blanks do not count.
_ANY_CASE: Final = frozenset(map(str.lower, GAPS))


def split(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line without its end; a FormatError says so if quotation marks don't match."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error as error:
        expected = "expected cells with matching quotation marks within a line"
        raise FormatError(f"{expected}, got {excerpt(line)} ({error})") from error


@dataclass(frozen=True, slots=True)
class ColumnParser:
    """Reads some columns of CSV.

    Attributes
    ----------
    delimiter : str
        The character between cells.
    count : int
        The number of columns.
    columns : sequence of int
        Those to read, from 0; others may hold any text.
    gaps : bool
        Whether numbers may be missing.
    """

    delimiter: str
    count: int
    columns: Sequence[int]
    gaps: bool

    def parse(self, lines: bytes) -> FloatArray:
        """Return the numbers of whole lines.

        Parameters
        ----------
        lines : bytes
            At least one line; the last one need not have an end.

        Returns
        -------
        ndarray of float32, shape (n, len(columns))
            NaN stands for missing numbers; all others are finite.

        Raises
        ------
        FormatError
            With record, counted from the first line, and column.
        """
        values = None if b'"' in lines else self._parse_together(lines)
        if values is not None:
            rows = _rounded(values)
            if np.isfinite(rows).all() or (self.gaps and not np.isinf(rows).any()):
                return rows
        return _rounded(self._parse_lines(lines.decode("utf-8", "surrogateescape").split("\n")))

    def _parse_together(self, lines: bytes) -> DoubleArray | None:
        """Return what pyarrow reads; None if it can't read all lines."""
        import pyarrow
        import pyarrow.csv

        names = [str(column) for column in range(self.count)]
        read = [names[column] for column in self.columns]
        try:
            table = pyarrow.csv.read_csv(
                pyarrow.py_buffer(lines + b"\n"),
                read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=len(lines) + 1, column_names=names),
                parse_options=pyarrow.csv.ParseOptions(delimiter=self.delimiter, ignore_empty_lines=False),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(read, pyarrow.float64()),
                    include_columns=read,
                    null_values=list(GAPS) if self.gaps else [],
                ),
            )
        except pyarrow.ArrowInvalid:
            return None
        # pyarrow also ends lines at a lone CR.
        if table.num_rows != lines.count(b"\n") + 1:
            return None
        columns: list[Any] = [column.to_numpy() for column in table.columns]
        return np.stack(columns, axis=1)

    def _parse_lines(self, lines: list[str]) -> DoubleArray:
        gaps = np.zeros((len(lines), len(self.columns)), np.bool_)
        plain = io.StringIO()
        writer = csv.writer(plain, lineterminator="\n")
        with located() as place:
            for gap, (place.record, line) in zip(gaps, enumerate(lines, 1), strict=True):
                cells = split(line.removesuffix("\r"), self.delimiter)
                if len(cells) != self.count:
                    got = len(cells) if line.strip() else "an empty line"
                    raise FormatError(f"expected {self.count} columns, got {got}")
                read = [cells[column] for column in self.columns]
                if self.gaps:
                    gap[:] = [cell.strip(" \t").lower() in _ANY_CASE for cell in read]
                    read = ["0" if missing else cell for cell, missing in zip(read, gap, strict=True)]
                writer.writerow(read)
        text = plain.getvalue().encode("utf-8", "surrogateescape")
        # Its line 1 might be taken for a header.
        with located(renumber=lambda record: record - 1):
            try:
                values = parser.parse(text, len(self.columns), first_record=2, dtype=np.float64)
            except FormatError as error:
                error.column = None if error.column is None else self.columns[error.column]
                raise
        values[gaps] = np.nan
        return values


def _rounded(values: DoubleArray) -> FloatArray:
    with np.errstate(over="ignore", under="ignore"):
        return np.ascontiguousarray(values, np.float32)
