"""Rows out of CSV files; pieces of a file are parsed side by side."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from container.channels.csv import CSVReader
from container.conversion.rows import MAX_ROW_BYTES, side_by_side, width
from container.formats import csv
from container.formats.errors import FormatError
from kmeans.types import FloatArray

# Enough for a fixed cost a piece, few enough for the processor's cache.
PIECE_BYTES: Final = 2 << 20


class CSVRows:
    """Lines of numbers, without a header."""

    def __init__(self, path: Path, labels: int) -> None:
        self._path, self._labels = path, labels
        with path.open("rb") as stream:
            line = stream.readline(MAX_ROW_BYTES)
        self.n_features = width(csv.column_count(line.removeprefix(b"\xef\xbb\xbf"), 1), labels)

    def count(self) -> int:
        """Give the number of rows."""
        return sum(map(_lines, self._pieces()))

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        records = 0
        try:
            for block in side_by_side(self._parse, self._pieces()):
                yield block
                records += len(block)
        except FormatError as error:
            error.record = records + (error.record or 1)
            raise

    def _parse(self, piece: bytes) -> FloatArray:
        rows = np.empty((_lines(piece), self.n_features), np.float32)
        return rows[: CSVReader(io.BytesIO(piece), self.n_features, self._labels).read(rows)]

    def _pieces(self) -> Iterator[bytes]:
        """Cut the file behind lines that are not empty: empty ones are read with what follows, if anything does."""
        empty = b""
        with self._path.open("rb") as stream:
            while piece := stream.read(PIECE_BYTES):
                line = b"" if piece.endswith(b"\n") else stream.readline(MAX_ROW_BYTES)
                if len(line) == MAX_ROW_BYTES or len(empty) > MAX_ROW_BYTES:
                    raise FormatError(f"expected a line of fewer than {MAX_ROW_BYTES} bytes, got a longer one")
                piece = b"".join((empty, piece, line))
                filled = len(piece.rstrip(b"\r\n"))
                end = filled and (piece.find(b"\n", filled) + 1 or len(piece))
                empty = piece[end:]
                if filled:
                    yield piece[:end]


def _lines(piece: bytes) -> int:
    return piece.count(b"\n") + (not piece.endswith(b"\n"))
