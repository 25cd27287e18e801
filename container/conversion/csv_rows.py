"""Rows out of CSV files; parts of a file are parsed side by side."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from container.channels.csv_reader import CSVReader
from container.conversion.rows import MAX_ROW_BYTES, Rows, all_rows, side_by_side, width
from container.files.regular import open_regular
from container.formats.csv import text as csv
from container.formats.errors import FormatError
from kmeans.types import FloatArray

# Of a part, but for the rest of its last line; each takes a reader of its own.
PART_BYTES: Final = 4 << 20


class CSVRows(Rows):
    """Lines of numbers, without a header."""

    def __init__(self, path: Path, labels: int) -> None:
        self._path, self._labels = path, labels
        with open_regular(path) as stream:
            line = stream.readline(MAX_ROW_BYTES)
        self.n_features = width(csv.column_count(line.removeprefix(b"\xef\xbb\xbf"), 1), labels)

    def count(self) -> int:
        """Give the number of rows."""
        return sum(side_by_side(self._count, self._borders()))

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        records = 0
        try:
            for blocks in side_by_side(self._parse, self._borders()):
                for block in blocks:
                    yield block
                    records += len(block)
        except FormatError as error:
            error.record = error.record and records + error.record
            raise

    def _count(self, borders: tuple[int, int]) -> int:
        with _Part(self._path, *borders) as part:
            lines = part.read().rstrip(b"\r\n")
        return lines.count(b"\n") + 1 if lines else 0

    def _parse(self, borders: tuple[int, int]) -> list[FloatArray]:
        with _Part(self._path, *borders) as part:
            reader = CSVReader(part, self.n_features, self._labels)
            # A byte order mark, and a header, are looked for in the very first record.
            ahead = reader.records = int(borders[0] > 0)
            try:
                return list(all_rows(reader))
            except FormatError as error:
                error.record = error.record and error.record - ahead
                raise

    def _borders(self) -> Iterator[tuple[int, int]]:
        """Cut the file behind lines that are not empty: empty ones are read with what follows, if anything does."""
        begin, size = 0, self._path.stat().st_size
        with open_regular(self._path) as stream:
            while begin < size:
                stream.seek(begin + PART_BYTES)
                while (line := stream.readline(MAX_ROW_BYTES)) and not line.strip(b"\r\n"):
                    pass
                if len(line) == MAX_ROW_BYTES:
                    raise FormatError(f"expected a line of fewer than {MAX_ROW_BYTES} bytes, got a longer one")
                end = min(stream.tell(), size)
                yield begin, end
                begin = end


class _Part(io.RawIOBase):
    """What lies in a file between two borders."""

    def __init__(self, path: Path, begin: int, end: int) -> None:
        self._file = open_regular(path, 0)
        self._file.seek(begin)
        self._left = end - begin

    def readable(self) -> bool:
        """Tell that bytes can be read, which `read` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes; give how many."""
        count = self._file.readinto(memoryview(buffer)[: self._left])
        self._left -= count
        return count

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()
