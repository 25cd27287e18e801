"""Rows out of CSV files, also compressed by gzip; parts of a file are parsed side by side."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from container.channels.csv_reader import CSVReader
from container.channels.form import RecordForm
from container.conversion.column_parser import ColumnParser, split
from container.conversion.rows import MAX_ROW_BYTES, Rows, all_rows, side_by_side
from container.conversion.table import Options
from container.files.regular import open_regular
from container.formats import magic
from container.formats.errors import FormatError, located
from container.formats.gunzipped import Gunzipped
from kmeans.types import FloatArray

# The size of a part, not counting the rest of its last line; each takes a reader of its own.
PART_BYTES: Final = 4 << 20
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class CSVRows(Rows):
    """Lines of numbers, after a header if the options say so."""

    def __init__(self, path: Path, options: Options, delimiter: str = ",") -> None:
        self._path, self._header = path, options.header
        with self._opened() as stream:
            first = stream.readline(MAX_ROW_BYTES)
        magic.refuse_others(first, magic.CSV)
        line = first.removeprefix(_BYTE_ORDER_MARK).rstrip(b"\r\n").decode("utf-8", "surrogateescape")
        with located(1):
            names = [name.strip() for name in split(line, delimiter)] if line else []
            if not options.header and names and all(map(_is_name, names)):
                raise FormatError("expected numbers, got names of columns: --header reads them")
        given = names if options.header else []
        columns = options.chosen(len(names), given)
        self.names = [given[column] for column in columns] if given else []
        self.n_features = len(columns)
        self._parser = ColumnParser(delimiter, len(names), columns, gaps=options.gaps)
        # Lines of numbers alone are read by the reader of training, several times as fast.
        self._plain = delimiter == "," and not options.gaps and isinstance(columns, range)

    def count(self) -> int:
        """Return the number of rows."""
        return sum(side_by_side(_count, self._parts()))

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        records = 0
        with located(renumber=lambda record: records + record):
            for blocks in side_by_side(self._parse, self._parts()):
                for block in blocks:
                    yield block
                    records += len(block)

    def _parse(self, part: tuple[int, bytes]) -> list[FloatArray]:
        number, lines = part
        # Only the very first record may begin with a byte order mark, or be taken for a header.
        ahead = int(number > 0 or self._header)
        if self._plain:
            reader = CSVReader(io.BytesIO(lines), RecordForm(self.n_features, self._parser.count - self.n_features))
            reader.records = ahead
            with located(renumber=lambda record: record - ahead):
                return list(all_rows(reader))
        lines = lines if ahead else lines.removeprefix(_BYTE_ORDER_MARK)
        lines = lines.rstrip(b"\r\n")
        return [self._parser.parse(lines)] if lines else []

    def _parts(self) -> Iterator[tuple[int, bytes]]:
        """Yield parts with their numbers; all but the last end with a line that is not empty."""
        number = 0
        with self._opened() as stream:
            if self._header:
                stream.readline(MAX_ROW_BYTES)
            while part := stream.read(PART_BYTES):
                lines = [part]
                while line := stream.readline(MAX_ROW_BYTES):
                    lines.append(line)
                    if len(line) == MAX_ROW_BYTES:
                        raise FormatError(f"expected a line of fewer than {MAX_ROW_BYTES} bytes, got a longer one")
                    if line.strip(b"\r\n"):
                        break
                yield number, b"".join(lines)
                number += 1

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with open_regular(self._path) as file:
            if self._path.suffix.lower() == ".gz":
                yield cast(BinaryIO, io.BufferedReader(Gunzipped(file), PART_BYTES))
            else:
                yield file


def _is_name(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.isprintable() and bool(cell)
    return False


def _count(part: tuple[int, bytes]) -> int:
    lines = part[1].rstrip(b"\r\n")
    return lines.count(b"\n") + 1 if lines else 0
