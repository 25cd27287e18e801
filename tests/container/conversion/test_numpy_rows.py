"""Arrays of every type and order."""

import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from container import convert
from container.formats.recordio.records import decode
from tests import bfloat16


def test_labels_are_dropped_from_an_array_in_fortran_order(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    np.save(tmp_path / "rows.npy", np.asfortranarray(rows.astype(np.float64)))
    assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / "out"), "--labels", "2"]) == 0
    back, _ = decode((tmp_path / "out/part-00000.pbr").read_bytes(), 148)
    np.testing.assert_array_equal(back, rows[:, 2:])


@pytest.mark.parametrize(
    ("dtype", "number", "rounded"),
    [
        ("?", 1, 1.0),
        ("u1", 255, 255.0),
        (">u2", 65535, 65535.0),
        ("<u8", 2**63 + 2**39 + 1, 2.0**63 + 2.0**40),
        (">i8", 2**60 + 2**36 + 1, 2.0**60 + 2.0**37),
        ("<f2", 0.1, float(np.float16(0.1))),
        (">f8", 1 + 2.0**-24 + 2.0**-50, 1 + 2.0**-23),
        ("g", np.longdouble(1 + 2.0**-24) + np.longdouble(2.0**-60), 1 + 2.0**-23),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_any_type_are_rounded_once(
    tmp_path: Path, dtype: str, number: Any, rounded: float, order: Literal["C", "F"]
) -> None:
    np.save(tmp_path / "rows.npy", np.array([[0, number, 1], [number, 0, 0]], dtype, order=order))
    assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / "out")]) == 0
    back, _ = decode((tmp_path / "out/part-00000.pbr").read_bytes(), 3)
    assert back.tolist() == [[0, rounded, 1], [rounded, 0, 0]]


@pytest.mark.parametrize("order", ["C", "F"])
def test_bfloat16(tmp_path: Path, rows: NDArray[np.float32], order: Literal["C", "F"]) -> None:
    bfloat16.save(tmp_path / "rows.npy", rows, order)
    assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / "out"), "--columns", "7,3"]) == 0
    back, _ = decode((tmp_path / "out/part-00000.pbr").read_bytes(), 2)
    np.testing.assert_array_equal(back, bfloat16.rounded(rows)[:, [7, 3]])


def test_bfloat16_in_an_archive(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    bfloat16.save(tmp_path / "rows.npy", rows)
    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as archive:
        archive.write(tmp_path / "rows.npy", "rows.npy")
    assert convert.main([str(tmp_path / "rows.npz"), str(tmp_path / "out")]) == 0
    back, _ = decode((tmp_path / "out/part-00000.pbr").read_bytes(), rows.shape[1])
    np.testing.assert_array_equal(back, bfloat16.rounded(rows))


def test_bytes_without_a_type_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((2, 3), "V2"))
    assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / "out")]) == 2
    said = "expected numbers, got elements of the type '|V2', which may be anything: save array.astype(np.float32)"
    assert said in capsys.readouterr().err
