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

# The parser has a fixed cost a call.
PIECE_BYTES: Final = 4 << 20


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
        return side_by_side(self._parse, self._numbered_pieces())

    def _numbered_pieces(self) -> Iterator[tuple[bytes, int, int]]:
        """Give each piece with the lines before it and those in it."""
        before = 0
        for piece in self._pieces():
            lines = _lines(piece)
            yield piece, before, lines
            before += lines

    def _parse(self, numbered: tuple[bytes, int, int]) -> FloatArray:
        piece, before, lines = numbered
        reader = CSVReader(io.BytesIO(piece), self.n_features, self._labels)
        reader.records = before
        rows = np.empty((lines, self.n_features), np.float32)
        return rows[: reader.read(rows)]

    def _pieces(self) -> Iterator[bytes]:
        """Cut the file behind lines that are not empty: empty ones are read with what follows, if anything does."""
        rest = b""
        with self._path.open("rb", buffering=0) as stream:
            while more := stream.read(max(PIECE_BYTES, len(rest))):
                rest += more
                end = rest.rfind(b"\n", 0, len(rest.rstrip(b"\r\n")) + 1) + 1
                if end:
                    yield rest[:end]
                    rest = rest[end:]
                elif len(rest) > MAX_ROW_BYTES:
                    raise FormatError(f"expected a line of at most {MAX_ROW_BYTES} bytes, got a longer one")
        if rest := rest.rstrip(b"\r\n"):
            yield rest


def _lines(piece: bytes) -> int:
    return piece.count(b"\n") + (not piece.endswith(b"\n"))
