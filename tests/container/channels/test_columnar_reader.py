"""A reader needs no window on bytes: one of a file of columns works with all that is made for readers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from container.channels.filling import read_rows
from container.channels.reader import Reader, RowArray
from container.channels.sampling import sample
from container.conversion.rows import all_rows
from container.precision.coordinates import Coordinates

ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)


class ColumnsReader(Reader):
    """Rows of an array in Fortran order, which lie scattered over the file."""

    def __init__(self, path: Path) -> None:
        self._columns = np.load(path, mmap_mode="r")
        super().__init__(self._columns.shape[1])

    @property
    def bytes_read(self) -> int:
        return int(self.records * self._columns.itemsize * self.feature_dim)

    def read(self, out: RowArray) -> int:
        rows = self._columns[self.records : self.records + len(out)]
        out[: len(rows)] = rows
        self.records += len(rows)
        return len(rows)

    def skip(self, count: int) -> int:
        skipped = min(count, len(self._columns) - self.records)
        self.records += skipped
        return skipped


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    yield ColumnsReader(path)


def test_rows_of_columns(tmp_path: Path) -> None:
    files = [tmp_path / "a.npy", tmp_path / "b.npy"]
    for file, part in zip(files, (ROWS[:7], ROWS[7:]), strict=True):
        np.save(file, np.asfortranarray(part))
    np.testing.assert_array_equal(np.concatenate([*all_rows(ColumnsReader(files[1]))]), ROWS[7:])
    out = np.empty((4, 3), np.float32)
    reader = ColumnsReader(files[0])
    assert reader.skip(5) == 5
    assert read_rows(reader, out, Coordinates(np.full(3, 10, np.float32))) == 2
    np.testing.assert_array_equal(out[:2], ROWS[5:7] - 10)
    assert (reader.records, reader.bytes_read) == (7, files[0].stat().st_size - 128)
    drawn, records = sample(files, opened, 3, 8, np.random.default_rng(0))
    assert records == len(ROWS)
    assert len(drawn) == 8
    assert set(map(tuple, drawn.tolist())) <= set(map(tuple, ROWS.tolist()))
