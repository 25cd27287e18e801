"""Arrays in numpy's own format as a channel reads them."""

import io
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from container.channels.form import ReaderResources, RecordForm
from container.channels.npy_reader import NpyReader
from container.files.regular import open_regular
from container.formats.errors import FormatError, InfiniteValueError

FORM = RecordForm(3)


def saved(path: Path, rows: NDArray[np.generic]) -> Path:
    np.save(path, rows)
    return path


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i4", "<u1", "|b1"])
def test_rows_of_each_type_and_order(tmp_path: Path, dtype: DTypeLike, order: Literal["C", "F"]) -> None:
    rows = np.random.default_rng(0).integers(0, 100, (50, 3)).astype(dtype)
    path = saved(tmp_path / "rows.npy", np.array(rows, order=order))
    with open_regular(path) as file:
        reader = NpyReader.open(io.FileIO(file.fileno(), closefd=False), FORM, ReaderResources())
        first, rest = np.empty((7, 3), np.float32), np.empty((100, 3))
        assert reader.read(first) == 7
        assert reader.skip(3) == 3
        assert reader.records == 10
        assert reader.read(rest) == 40
        assert reader.read(rest[:1]) == reader.skip(1) == 0
        assert reader.bytes_read == path.stat().st_size
    np.testing.assert_array_equal(first, rows[:7].astype(np.float32))
    np.testing.assert_array_equal(rest[:40], rows[10:].astype(np.float64))


def test_numbers_keep_their_digits_in_float64(tmp_path: Path) -> None:
    rows = 1.7e9 + np.arange(6.0).reshape(2, 3)
    with open_regular(saved(tmp_path / "rows.npy", rows)) as file:
        out = np.empty((2, 3))
        assert NpyReader(file, FORM).read(out) == 2
    np.testing.assert_array_equal(out, rows)


def test_a_number_beyond_float32_is_named_by_its_place(tmp_path: Path) -> None:
    rows = np.ones((9, 3))
    rows[6, 1] = -1e39
    with open_regular(saved(tmp_path / "rows.npy", rows)) as file:
        reader = NpyReader(file, FORM)
        reader.skip(2)
        with pytest.raises(InfiniteValueError, match=r"record 7, column 1: expected a number in the range of float32"):
            reader.read(np.empty((9, 3)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (np.ones((2, 4)), r"expected an array of the shape \(rows, 3\), got \(2, 4\)"),
        (np.ones((2, 3, 1)), r"expected an array of the shape \(rows, 3\), got \(2, 3, 1\)"),
        (np.ones((2, 3), complex), "expected numbers, got elements of the type '<c16'"),
        (np.array([[b"a", b"b", b"c"]]), "expected numbers, got elements of the type"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, content: NDArray[np.generic], expected: str) -> None:
    with open_regular(saved(tmp_path / "rows.npy", content)) as file, pytest.raises(FormatError, match=expected):
        NpyReader(file, FORM)


@pytest.mark.parametrize("cut", [-1, 1])
def test_a_file_must_be_as_long_as_its_head_says(tmp_path: Path, cut: int) -> None:
    path = saved(tmp_path / "rows.npy", np.ones((4, 3)))
    path.write_bytes((path.read_bytes() + bytes(8))[: -8 - cut])
    with open_regular(path) as file, pytest.raises(FormatError, match=r"expected 224 bytes for an array of the shape"):
        NpyReader(file, FORM)


def test_a_file_that_shrinks_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path / "rows.npy", np.ones((4, 3)))
    with open_regular(path) as file:
        reader = NpyReader(file, FORM)
        path.write_bytes(path.read_bytes()[:-30])
        with pytest.raises(FormatError, match="expected an array of 4 rows, got the end"):
            reader.read(np.empty((4, 3)))
