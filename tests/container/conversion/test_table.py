"""Which columns of a table are read."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from container import convert
from container.conversion.table import Options
from container.formats.errors import FormatError

NAMES = ["id", "a", "b", "0"]


def parquet(folder: Path) -> Path:
    columns: list[Any] = [["x", "y"], [1, 2], [3, 4], [5, 6]]
    pyarrow.parquet.write_table(pyarrow.table(columns, names=NAMES), folder / "rows.parquet")
    return folder / "rows.parquet"


def csv(folder: Path) -> Path:
    (folder / "rows.csv").write_text('\ufeffid, a,b,"0"\nx,1,3,5\ny,2,4,6\n', encoding="utf-8")
    return folder / "rows.csv"


@pytest.mark.parametrize("make", [parquet, csv])
@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("a,b", [[1, 3], [2, 4]]),
        ("b, a", [[3, 1], [4, 2]]),
        ("2", [[3], [4]]),
        ("0", [[5], [6]]),
        ('["a", 2, "0"]', [[1, 3, 5], [2, 4, 6]]),
    ],
)
def test_columns_by_name_or_number_in_their_order(
    tmp_path: Path, make: Any, columns: str, expected: list[list[int]]
) -> None:
    source, target = make(tmp_path), tmp_path / "back.npy"
    assert convert.main([str(source), str(target), "--columns", columns, "--header"]) == 0
    assert np.load(target).tolist() == expected


def test_columns_by_number_of_formats_without_names(tmp_path: Path) -> None:
    rows = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(rows))
    np.savez(tmp_path / "rows.npz", rows)
    np.savetxt(tmp_path / "rows.csv", rows, "%g", ",")
    for name in ("rows.npy", "fortran.npy", "rows.npz", "rows.csv"):
        assert convert.main([str(tmp_path / name), str(tmp_path / "back.npy"), "--columns", "2,0"]) == 0
        assert np.load(tmp_path / "back.npy").tolist() == [[2, 0], [5, 3]]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("c",), "expected --columns from 0 to 2, or of the names 'a', 'b', 'a b', got 'c'"),
        (("3",), "expected --columns from 0 to 2, or"),
        (("-1",), "expected --columns from 0 to 2, or"),
        (("\u0663",), "expected --columns from 0 to 2, or"),
        (("9" * 5000,), "expected --columns from 0 to 2, or"),
        (("",), "got ''"),
        (("a", "0"), "expected each of --columns once, got 'a' twice"),
    ],
)
def test_other_columns_are_refused(columns: tuple[str, ...], said: str) -> None:
    with pytest.raises(FormatError) as error:
        Options(columns=columns).chosen(3, ["a", "b", "a b"])
    assert said in str(error.value)
    assert len(str(error.value)) < 200


def test_duplicate_names_are_refused() -> None:
    with pytest.raises(FormatError, match="expected each column's name once, got 'a' twice"):
        Options().chosen(3, ["a", "b", "a"])


@pytest.mark.parametrize("columns", ["[", "[]", "[1.5]", '[["a"]]', "[true]", "[" * 10_000, '["a" "b"]'])
def test_other_json_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], columns: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        convert.main(["rows.csv", str(tmp_path / "out"), "--columns", columns])
    assert "expected a list of names and numbers in JSON, got '[" in capsys.readouterr().err
