"""Pieces of a CSV stream, many lines each, that are decoded in one go."""

from contextlib import suppress
from typing import NamedTuple

import numpy as np

from container.channels.reader import RowArray
from container.formats.csv import decode_kernel, parser
from container.formats.csv.parser import Cells
from container.formats.errors import FormatError
from kmeans.kernels.packed import ByteArray


class Piece(NamedTuple):
    """What became of the lines of a piece.

    Attributes
    ----------
    rows : int
        The number of lines that were decoded, from the first one on.
    rest : bytes
        The lines that follow.
    """

    rows: int
    rest: bytes


def decode(buffer: ByteArray, begin: int, end: int, cells: Cells, line: int, out: RowArray) -> Piece:
    """Decode lines, up to the first one that is wrong or, if they may all be plain, not plain.

    Parameters
    ----------
    buffer : ndarray of uint8, shape (n,)
        The buffer of a window.
    begin, end : int
        The lines are ``buffer[begin:end]``.
    cells : Cells
        What is read of a line.
    line : int
        The number of the first one.
    out : ndarray of float32 or float64, shape (n, d)
        Their rows, one for each line; written.

    Returns
    -------
    Piece
        What became of them.
    """
    rows = 0
    if cells.is_tail:
        with np.errstate(over="ignore"):
            _, stop, decoded = decode_kernel.decode(buffer, begin, end, cells.labels, out, 0)
        begin, rows = int(stop), int(decoded)
    text = buffer[begin:end].tobytes()
    if text and (cells.gaps or not cells.is_tail):
        with suppress(FormatError):
            found = parser.parse_cells(text, cells, first_record=line + rows, dtype=out.dtype)
            # Empty lines at the end are not parsed.
            if len(found) == len(out) - rows:
                out[rows:] = found
                return Piece(len(out), b"")
    return Piece(rows, text)
