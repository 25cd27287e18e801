"""Parquet as many programs write it: every type of column, and the index of pandas, which is no feature."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from container import convert

# Ends of the ranges, and whole numbers that are rounded otherwise when they are rounded to float64 before.
COLUMNS: Mapping[str, Any] = {
    "uint8": pyarrow.array([0, 255, 7], pyarrow.uint8()),
    "int8": pyarrow.array([-128, 127, 7], pyarrow.int8()),
    "uint32": pyarrow.array([0, 2**32 - 1, 2**25 + 1], pyarrow.uint32()),
    "int32": pyarrow.array([-(2**31), 2**31 - 1, 2**25 + 1], pyarrow.int32()),
    "uint64": pyarrow.array([2**63, 2**64 - 1, 2**63 + 2**39 + 1], pyarrow.uint64()),
    "int64": pyarrow.array([-(2**63), 2**63 - 1, 2**60 + 2**36 + 1], pyarrow.int64()),
    "float16": pyarrow.array(np.array([0.1, -65504, 6e-8], np.float16)),
    "float32": pyarrow.array(np.array([0.1, 3.4028235e38, 1e-45], np.float32)),
    "float64": pyarrow.array([0.1, -3.4028235e38, 1 + 2.0**-24 + 2.0**-50]),
    "bool": pyarrow.array([True, False, True]),
    "decimal": pyarrow.array(
        [Decimal("0.1"), Decimal("-12345678901234567890.12"), Decimal("16777217.5")], pyarrow.decimal128(38, 2)
    ),
}
EXPECTED: Mapping[str, Sequence[float]] = {
    "uint8": [0, 255, 7],
    "int8": [-128, 127, 7],
    "uint32": [0, 2.0**32, 2.0**25],
    "int32": [-(2.0**31), 2.0**31, 2.0**25],
    "uint64": [2.0**63, 2.0**64, 2.0**63 + 2.0**40],
    "int64": [-(2.0**63), 2.0**63, 2.0**60 + 2.0**37],
    "float16": [float(np.float16(0.1)), -65504, float(np.float16(6e-8))],
    "float32": [0.1, 3.4028235e38, 1e-45],
    "float64": [0.1, -3.4028235e38, 1 + 2.0**-23],
    "bool": [1, 0, 1],
    "decimal": [0.1, -12345678901234567890.12, 16777218],
}


def converted(folder: Path, table: Any, *arguments: str) -> NDArray[np.float32]:
    pyarrow.parquet.write_table(table, folder / "rows.parquet")
    assert convert.main([str(folder / "rows.parquet"), str(folder / "rows.npy"), *arguments]) == 0
    rows: NDArray[np.float32] = np.load(folder / "rows.npy")
    return rows


def refused(folder: Path, table: Any, capsys: pytest.CaptureFixture[str]) -> str:
    pyarrow.parquet.write_table(table, folder / "rows.parquet")
    assert convert.main([str(folder / "rows.parquet"), str(folder / "rows.npy")]) == 2
    assert [path.name for path in folder.iterdir()] == ["rows.parquet"]
    return capsys.readouterr().err


@pytest.mark.parametrize("names", [*((name,) for name in COLUMNS), *combinations(COLUMNS, 2), tuple(COLUMNS)])
def test_each_column_keeps_its_numbers_next_to_any_other(tmp_path: Path, names: tuple[str, ...]) -> None:
    rows = converted(tmp_path, pyarrow.table({name: COLUMNS[name] for name in names}))
    expected = np.array([EXPECTED[name] for name in names]).T.astype(np.float32)
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pyarrow.array(["x", "y"]), "string"),
        (pyarrow.array(["x", "y"]).dictionary_encode(), "dictionary"),
        (pyarrow.array([["x"], ["y"]]), "list<"),
        (pyarrow.array([[[1.0]], [[2.0]]]), "list<"),
        (pyarrow.array([[[1.0]], [[2.0]]], pyarrow.list_(pyarrow.list_(pyarrow.float64(), 1), 1)), "fixed_size_list<"),
        (pyarrow.array([{"x": 1.0}, {"x": 2.0}]), "struct<"),
        (pyarrow.array([1, 2], pyarrow.timestamp("us")), "timestamp[us]"),
        (pyarrow.array([1, 2], pyarrow.date32()), "date32"),
        (pyarrow.array([1, 2], pyarrow.duration("us")), "duration"),
        (pyarrow.array([b"12", b"34"], pyarrow.binary(2)), "fixed_size_binary"),
    ],
)
def test_a_column_of_anything_else_is_refused_by_name_and_type(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], column: Any, kind: str
) -> None:
    said = refused(tmp_path, pyarrow.table({"good": [1, 2], "odd one": column}), capsys)
    assert f"expected columns of numbers, got 'odd one' of the type {kind}" in said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, None], "record 2, column 2: expected a number in column 'b', got none"),
        ([None, None], "record 1, column 2: expected a number in column 'b', got none"),
        ([1.0, np.nan], "record 2, column 2: expected a number, got nan (in 'b')"),
        ([1.0, -1e39], "record 2, column 2: expected a number in the range of float32, got -1e+39 (in 'b')"),
        ([Decimal(0), Decimal(10) ** 39], "record 2, column 2: expected a number in the range of float32, got 1e+39"),
    ],
)
def test_a_missing_number_is_reported_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: list[object], said: str
) -> None:
    columns = {"__index_level_0__": ["x", "y"], "a": [1, 2], "b": pyarrow.array(values)}
    assert said in refused(tmp_path, pyarrow.table(columns), capsys)


def test_a_duplicate_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pyarrow.table([[1.0], [2.0], [3.0]], names=["a", "b", "a"])
    assert "expected each column's name once, got 'a' twice" in refused(tmp_path, table, capsys)


def test_names_with_dots_are_names(tmp_path: Path) -> None:
    table = pyarrow.table([[1.0], [2.0], [3.0]], names=["a.b", "a", "a.b.c"])
    assert converted(tmp_path, table).tolist() == [[1, 2, 3]]
    assert converted(tmp_path, table, "--labels", "1").tolist() == [[2, 3]]


def pandas(index: list[Any], *columns: str) -> dict[str, str]:
    """Describe a table as pandas does through pyarrow."""
    described = [{"name": name, "field_name": name, "pandas_type": "float64", "metadata": None} for name in columns]
    creator = {"library": "pyarrow", "version": "26.0.1"}
    return {"pandas": json.dumps({"index_columns": index, "column_indexes": [], "columns": described, **creator})}


RANGE = {"kind": "range", "name": "a", "start": 0, "stop": 2, "step": 1}
UNNAMED = ["__index_level_0__", "__index_level_1__"]


@pytest.mark.parametrize(
    ("names", "index", "features"),
    [
        ("abc", [], "abc"),
        ("abc", [RANGE], "abc"),
        (["a", "b", UNNAMED[0]], [UNNAMED[0]], "ab"),
        (["index", "a", "b"], ["index"], "ab"),  # by fastparquet
        (["a", "b", "shop"], ["shop"], "ab"),
        (["c", "a", "b"], ["a", "b"], "c"),
        (["a", *UNNAMED], UNNAMED, "a"),
        (["a", "__null_dask_index__"], ["__null_dask_index__"], "a"),
        (["a", UNNAMED[0]], None, "a"),  # by pandas, then by Spark
        (["index", "a"], None, ["index", "a"]),
        ("abc", ["gone"], "abc"),
    ],
)
def test_the_index_of_pandas_is_no_feature(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    names: Sequence[str],
    index: list[Any] | None,
    features: Sequence[str],
) -> None:
    metadata = None if index is None else pandas(index, *names)
    table = pyarrow.table([[float(i), i + 0.5] for i in range(len(names))], names=list(names), metadata=metadata)
    expected = [table[name].to_pylist() for name in features]
    np.testing.assert_array_equal(converted(tmp_path, table), np.transpose(expected))
    said = capsys.readouterr().err
    left_out = [name for name in names if name not in features]
    shown = ", ".join(map(repr, left_out))
    assert said == (
        f"{tmp_path / 'rows.parquet'}: left out the index of pandas, {shown}:"
        " df.reset_index() would make features of it\n"
        if left_out
        else ""
    )


def test_labels_are_counted_without_the_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [*(f"i{level}" for level in range(7)), "label", "a", "b"]
    columns = [["x", "y"]] * 8 + [[1.0, 2.0], [3.0, 4.0]]
    table = pyarrow.table(columns, names=names, metadata=pandas(names[:7], *names))
    assert converted(tmp_path, table, "--labels", "1").tolist() == [[1, 3], [2, 4]]
    assert "left out the index of pandas, 'i0', 'i1', 'i2', 'i3', 'i4' and 2 more:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "{",
        "[" * 100_000,
        "[]",
        "null",
        '{"index_columns": "a"}',
        '{"index_columns": null}',
        '{"index_columns": [["a"]]}',
        '{"index_columns": [null]}',
        '{"index_columns": [' + "9" * 5000 + "]}",
        b"\xff",
    ],
)
def test_other_metadata_of_that_name_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], metadata: str | bytes
) -> None:
    table = pyarrow.table({"a": [1.0], "b": [2.0]}).replace_schema_metadata({"pandas": metadata})
    assert "expected metadata of pandas that list index_columns, got others" in refused(tmp_path, table, capsys)


def test_a_column_of_the_index_is_read_if_it_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["day", "a", "name"]
    table = pyarrow.table([[1, 2], [3, 4], ["x", "y"]], names=names, metadata=pandas(["day", "name"], *names))
    assert converted(tmp_path, table, "--columns", "1,day").tolist() == [[3, 1], [4, 2]]
    assert "left out the index of pandas, 'name': " in capsys.readouterr().err


def test_lists_are_several_features(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = pyarrow.array([None, [1.0, 2.0, 3.0], [4.0, 5.0, None]], pyarrow.list_(pyarrow.float16()))
    table = pyarrow.table({"id": ["x", "y", "z"], "embedding": lists, "age": [7, 8, 9]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=1)
    chosen = [str(tmp_path / "rows.parquet"), "--columns", "age,embedding", "--missing", "drop"]
    assert convert.main([*chosen, str(tmp_path / "out.csv"), "--header"]) == 0
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines == ["age,embedding[0],embedding[1],embedding[2]", "8,1,2,3"]
    (tmp_path / "out.csv").unlink()
    for wrong, said in (
        ([[1.0, 2.0], [3.0]], "record 2, column 0: expected 2 numbers in each list of 'embedding', got 1"),
        ([[], [1.0]], "expected lists of numbers in 'embedding', got an empty one"),
        ([None, None], "expected a list of numbers in 'embedding', got none"),
    ):
        given = pyarrow.table({"embedding": pyarrow.array(wrong, pyarrow.list_(pyarrow.float32()))})
        assert said in refused(tmp_path, given, capsys)


def test_a_part_without_a_row_has_no_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "parts").mkdir()
    table = pyarrow.table({"embedding": [[1.0, 2.0], [3.0, 4.0]]})
    for name, part in (("a", table[:0]), ("b", table), ("c", table[:0])):
        pyarrow.parquet.write_table(part, tmp_path / f"parts/{name}.parquet")
    assert convert.main([str(tmp_path / "parts"), str(tmp_path / "out.npy")]) == 0
    assert np.load(tmp_path / "out.npy").tolist() == [[1.0, 2.0], [3.0, 4.0]]
    for name in "abc":
        pyarrow.parquet.write_table(table[:0], tmp_path / f"parts/{name}.parquet")
    assert convert.main([str(tmp_path / "parts"), str(tmp_path / "b.npy")]) == 2
    assert "expected a file with rows, got none" in capsys.readouterr().err
