"""CSV of which only some columns are read, with other delimiters than commas, or with gaps.

pyarrow reads it; text that it refuses, and text with quotation marks, is read line by line, which also finds the place
of an error.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from container.formats.csv.parser import number
from container.formats.errors import FormatError, excerpt, located
from kmeans.types import DoubleArray, FloatArray

# The cells that stand for a missing number, as pyarrow compares them; of others, case and blanks do not count.
_GAPS: Final = ("", "nan", "NaN", "NA", "N/A", "null", "NULL", "None", "<NA>")
_ANY_CASE: Final = frozenset(map(str.lower, _GAPS))


@dataclass(frozen=True, slots=True)
class Cells:
    """Which cells of a line are read, and how.

    Attributes
    ----------
    delimiter : str
        The character between cells.
    count : int
        The number of cells of a line.
    columns : sequence of int
        The cells to read, from 0; others may hold any text.
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

    def split(self, line: str) -> list[str]:
        """Return the cells of a line without its end."""
        if '"' not in line:
            return line.split(self.delimiter)
        try:
            return next(csv.reader([line], delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            raise FormatError(f"expected cells with matching quotation marks, got {excerpt(line)} ({error})") from error

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
                    null_values=list(_GAPS) if self.gaps else [],
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
        values = np.empty((len(lines), len(self.columns)))
        with located() as place:
            for row, (place.record, line) in zip(values, enumerate(lines, 1), strict=True):
                cells = self.split(line.removesuffix("\r"))
                if len(cells) != self.count:
                    raise FormatError(
                        f"expected {self.count} columns, got {len(cells) if line.strip() else 'an empty line'}"
                    )
                row[:] = [self._number(cells[column], column + 1) for column in self.columns]
        return values

    def _number(self, cell: str, column: int) -> float:
        if self.gaps and cell.strip(" \t").lower() in _ANY_CASE:
            return np.nan
        return number(cell, column)


def _rounded(values: DoubleArray) -> FloatArray:
    with np.errstate(over="ignore", under="ignore"):
        return np.ascontiguousarray(values, np.float32)
