"""Rows out of CSV files; pieces of a file are parsed side by side."""

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np

from container.channels.csv import CSVReader
from container.conversion.rows import MAX_ROW_BYTES, width
from container.formats import csv
from container.formats.errors import FormatError
from container.resources import cpu_count
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
        return sum(_lines(piece) for piece in self._pieces())

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        workers = cpu_count()
        first_record = 1
        parsed: deque[Future[FloatArray]] = deque()
        with ThreadPoolExecutor(workers, "parser") as pool:
            for piece in self._pieces():
                parsed.append(pool.submit(self._parse, piece, first_record))
                first_record += _lines(piece)
                if len(parsed) > workers:
                    yield parsed.popleft().result()
            while parsed:
                yield parsed.popleft().result()

    def _parse(self, piece: bytes, first_record: int) -> FloatArray:
        reader = CSVReader(io.BytesIO(piece), self.n_features, self._labels)
        reader.records = first_record - 1
        rows = np.empty((_lines(piece), self.n_features), np.float32)
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
