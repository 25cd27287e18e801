"""Sparse matrices as scipy writes them, and what only looks like one."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray

from container import convert


@pytest.mark.parametrize("dtype", ["?", "u1", "<i8", "<f4", "<f8"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("wide", [False, True])
def test_a_matrix_is_read_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, compressed: bool, wide: bool
) -> None:
    monkeypatch.setattr("container.conversion.rows.BLOCK_BYTES", 700)
    rng = np.random.default_rng(0)
    dense = (rng.integers(0, 100, (101, 17)) * (rng.random((101, 17)) < 0.2)).astype(dtype)
    dense[50:60] = 0
    matrix = scipy.sparse.csr_array(dense)
    if wide:
        matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    scipy.sparse.save_npz(tmp_path / "rows.npz", matrix, compressed=compressed)
    for options, columns in (([], slice(None)), (["--labels", "2"], slice(2, None)), (["--columns", "3,1"], [3, 1])):
        assert convert.main([str(tmp_path / "rows.npz"), str(tmp_path / "back.npy"), *options]) == 0
        np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), dense[:, columns].astype(np.float32))


def test_columns_of_a_row_may_be_in_any_order(tmp_path: Path) -> None:
    matrix = scipy.sparse.csr_matrix(([1.0, 2.0, 3.0], [2, 0, 1], [0, 2, 3]), shape=(2, 3))
    scipy.sparse.save_npz(tmp_path / "rows.npz", matrix)
    assert convert.main([str(tmp_path / "rows.npz"), str(tmp_path / "back.npy")]) == 0
    assert np.load(tmp_path / "back.npy").tolist() == [[2, 0, 1], [0, 3, 0]]


@pytest.mark.parametrize("kind", ["csc", "coo", "bsr", "dia"])
def test_a_matrix_in_another_format_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    scipy.sparse.save_npz(tmp_path / "rows.npz", scipy.sparse.eye_array(4, format=kind))
    assert convert.main([str(tmp_path / "rows.npz"), str(tmp_path / "out")]) == 2
    assert f"expected a matrix in the format csr, got '{kind}': save matrix.tocsr()" in capsys.readouterr().err


GOOD = {
    "format": np.array(b"csr"),
    "shape": np.array([2, 3]),
    "indptr": np.array([0, 1, 3], np.int32),
    "indices": np.array([0, 1, 2], np.int32),
    "data": np.array([1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": np.array([2, -3])}, "expected a shape of whole numbers, got (2, -3)"),
        ({"shape": np.array([2.0, 3.0])}, "got one of the type float64 and the shape (2,) in the place of 2 numbers"),
        ({"shape": np.array([2])}, "in the place of 2 numbers"),
        ({"shape": np.array([2, 0])}, "expected a column of numbers, got 0 columns"),
        ({"shape": np.array([2, 1 << 60])}, "expected at most 134217728 columns"),
        ({"shape": np.array([1 << 60, 3])}, f"in the place of {(1 << 60) + 1} numbers"),
        ({"shape": np.array([2**64 - 1, 3], np.uint64)}, "in the place of"),
        ({"indptr": np.array([1, 1, 3])}, "expected an indptr from 0 to 3, got one that begins with 1"),
        ({"indptr": np.array([0, 2, 1])}, "expected an indptr that ascends to 3"),
        ({"indptr": np.array([0, 1, 4])}, "expected an indptr that ascends to 3"),
        ({"indptr": np.array([0, 1, 2])}, "expected an indptr that ends with 3, got 2"),
        ({"indptr": np.array([0, 2**63, 3], np.uint64)}, "expected an indptr that ascends to 3"),
        ({"indptr": np.zeros(3)}, "got one of the type float64"),
        ({"indices": np.array([0, 1, 3])}, "expected columns from 0 to 2, got 0 to 3"),
        ({"indices": np.array([0, -1, 2])}, "expected columns from 0 to 2, got -1 to 2"),
        ({"indices": np.array([0, 2, 2])}, "expected each column once in a row, got one twice: call matrix.sum_dup"),
        ({"indices": np.array([0, 1])}, "in the place of 2 numbers"),
        ({"data": np.array([1.0, 2.0, np.nan])}, "record 2, column 2: expected a number, got nan"),
        ({"data": np.array([1, 2, 2**61], ">i8"), "indices": np.array([0, 1, 3])}, "got 0 to 3"),
        ({"data": np.array([1j, 2, 3])}, "expected numbers, got elements of the type '<c16'"),
        ({"data": np.array(["a", "b", "c"])}, "expected numbers, got elements of the type '<U1'"),
        ({"data": np.ones((3, 1))}, "and the shape (3, 1)"),
        ({"indptr": None}, "expected an archive of numpy.savez, got a broken one"),
    ],
)
def test_what_is_no_matrix_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, NDArray[Any] | None], said: str
) -> None:
    arrays = {name: array for name, array in (GOOD | change).items() if array is not None}
    np.savez_compressed(tmp_path / "rows.npz", allow_pickle=False, **arrays)
    assert convert.main([str(tmp_path / "rows.npz"), str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + bytes(8)])
@pytest.mark.parametrize("name", ["indptr", "indices", "data"])
def test_an_array_of_another_length_than_its_header_says_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, change: Callable[[bytes], bytes]
) -> None:
    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as archive:
        for member, array in GOOD.items():
            file = io.BytesIO()
            np.save(file, array)
            archive.writestr(f"{member}.npy", change(file.getvalue()) if member == name else file.getvalue())
    assert convert.main([str(tmp_path / "rows.npz"), str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert ", got the end" in said or "expected the end after a matrix of the shape (2, 3), got more" in said
