"""Rows out of CSV files; parts of a file are parsed side by side."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from container.channels.csv_reader import CSVReader
from container.conversion.rows import MAX_ROW_BYTES, Rows, all_rows, side_by_side, width
from container.files.regular import open_regular
from container.formats.csv import parser
from container.formats.errors import FormatError, located
from kmeans.types import FloatArray

# The size of a part, not counting the rest of its last line; each takes a reader of its own.
PART_BYTES: Final = 4 << 20


class CSVRows(Rows):
    """Lines of numbers, without a header."""

    def __init__(self, path: Path, labels: int) -> None:
        self._path, self._labels = path, labels
        with open_regular(path) as stream:
            line = stream.readline(MAX_ROW_BYTES)
        self.n_features = width(parser.column_count(line.removeprefix(b"\xef\xbb\xbf"), 1), labels)

    def count(self) -> int:
        """Return the number of rows."""
        return sum(side_by_side(self._count, self._borders()))

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        records = 0
        with located(renumber=lambda record: records + record):
            for blocks in side_by_side(self._parse, self._borders()):
                for block in blocks:
                    yield block
                    records += len(block)

    def _count(self, borders: tuple[int, int]) -> int:
        with _Part(self._path, *borders) as part:
            lines = part.read().rstrip(b"\r\n")
        return lines.count(b"\n") + 1 if lines else 0

    def _parse(self, borders: tuple[int, int]) -> list[FloatArray]:
        with _Part(self._path, *borders) as part:
            reader = CSVReader(part, self.n_features, self._labels)
            # Only the very first record may begin with a byte order mark, or be a header: others must not be number 1.
            ahead = reader.records = int(borders[0] > 0)
            with located(renumber=lambda record: record - ahead):
                return list(all_rows(reader))

    def _borders(self) -> Iterator[tuple[int, int]]:
        """Yield where parts begin and end: behind lines that are not empty. Empty ones are read with what follows."""
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
    """The bytes of a file between two borders."""

    def __init__(self, path: Path, begin: int, end: int) -> None:
        self._file = open_regular(path, 0)
        self._file.seek(begin)
        self._left = end - begin

    def readable(self) -> bool:
        """Return True; `read` asks for it."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes; return how many."""
        count = self._file.readinto(memoryview(buffer)[: self._left])
        self._left -= count
        return count

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()
