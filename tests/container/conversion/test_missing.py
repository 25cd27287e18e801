"""Missing numbers in tables of every format: an error, rows dropped, or means filled in."""

import gzip
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.sparse

from container import convert

GAPS = [[1, 10], [None, 20], [3, None], [5, 60]]
FILLED = [[1, 10], [3, 20], [3, 30], [5, 60]]
WHOLE = [[1, 10], [5, 60]]
FILES = (
    "rows.csv",
    "rows.tsv",
    "rows.csv.gz",
    "rows.npy",
    "one.npy",
    "rows.npz",
    "sparse.npz",
    "rows.parquet",
    "folder",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the same table in every format."""
    rows = np.array(GAPS, np.float64)
    lines = "1,10\n,20\n3,NaN\n5,60\n"
    (tmp_path / "rows.csv").write_text(lines)
    (tmp_path / "rows.tsv").write_text(lines.replace(",", "\t").replace("NaN", " na "))
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(lines.replace("NaN", '"null"').encode()))
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "one.npy", np.asfortranarray(rows.astype(np.float32)))
    np.savez(tmp_path / "rows.npz", rows)
    scipy.sparse.save_npz(tmp_path / "sparse.npz", scipy.sparse.csr_matrix(rows))
    table = pyarrow.table({"a": [1, None, 3, 5], "b": [10.0, 20.0, None, 60.0]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    (tmp_path / "folder").mkdir()
    pyarrow.parquet.write_table(table[:2], tmp_path / "folder/0")
    (tmp_path / "folder/1.csv").write_text("a,b\n3,\n5,60\n")
    return tmp_path


def options(name: str) -> list[str]:
    return ["--header"] if name == "folder" else []


@pytest.mark.parametrize("name", FILES)
def test_the_means_of_features_are_filled_in(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    source, target = folder / name, folder / "back.npy"
    assert convert.main([str(source), str(target), "--missing", "mean", *options(name)]) == 0
    assert np.load(target).tolist() == FILLED
    assert capsys.readouterr().err == f"{source}: filled 2 missing numbers with the means of their features\n"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("target", ["back.npy", "back.npz", "shards"])
def test_rows_are_dropped(folder: Path, capsys: pytest.CaptureFixture[str], name: str, target: str) -> None:
    source = folder / name
    more = ["--shards", "2"] if target == "shards" else []
    assert convert.main([str(source), str(folder / target), "--missing", "drop", *options(name), *more]) == 0
    assert convert.main([str(folder / target), str(folder / "again.npy")]) == 0
    assert np.load(folder / "again.npy").tolist() == WHOLE
    assert capsys.readouterr().err == f"{source}: dropped 2 rows with missing numbers\n"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_number_is_an_error_by_default(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert convert.main([str(folder / name), str(folder / "back.npy"), *options(name)]) == 2
    said = capsys.readouterr().err
    assert "record 2, column 0: expected a number" in said or "record 3, column 1: expected a number" in said


@pytest.mark.parametrize("policy", ["mean", "drop"])
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", "1,2\n,inf\n", "record 2, column 1: expected a finite number, got inf"),
        ("rows.csv", "1,2\n,1e39\n", "record 2, column 1: expected a number in the range of float32, got 1e+39"),
        ("rows.csv", "1,2\n,two\n", "record 2, column 1: expected a number, got 'two'"),
    ],
)
def test_numbers_that_are_wrong_are_not_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: str, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    assert convert.main([str(tmp_path / name), str(tmp_path / "out"), "--missing", policy]) == 2
    assert said in capsys.readouterr().err
    np.save(tmp_path / "rows.npy", np.array([[1, 2], [np.nan, -np.inf]]))
    assert convert.main([str(tmp_path / "rows.npy"), str(tmp_path / "out"), "--missing", policy]) == 2
    assert "record 2, column 1: expected a finite number, got -inf" in capsys.readouterr().err


def test_a_feature_without_any_number_has_no_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,\n2,\n")
    for header, shown in ((["--header"], "'b'"), ([], "1")):
        assert convert.main([str(tmp_path / "rows.csv"), str(tmp_path / "out"), "--missing", "mean", *header]) == 2
        assert f"expected a number in some row of feature {shown}, got none" in capsys.readouterr().err
        (tmp_path / "rows.csv").write_text("1,\n2,\n")
    assert convert.main([str(tmp_path / "rows.csv"), str(tmp_path / "out"), "--missing", "drop"]) == 2
    assert "expected some rows, got 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_booleans_and_decimals_may_be_missing(tmp_path: Path) -> None:
    columns = {"flag": [True, None, False], "price": [Decimal("0.5"), Decimal("1.5"), None], "count": [2**60, 1, None]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    target = tmp_path / "back.npy"
    assert convert.main([str(tmp_path / "rows.parquet"), str(target), "--missing", "mean"]) == 0
    assert np.load(target).tolist() == [[1, 0.5, 2.0**60], [0.5, 1.5, 1], [0, 1, 2.0**59]]
