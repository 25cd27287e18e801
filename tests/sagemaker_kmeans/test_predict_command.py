"""``python -m sagemaker_kmeans``: files of rows in, files of predictions out."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from sagemaker_kmeans import LocalModel, __version__
from sagemaker_kmeans.__main__ import main
from tests import bfloat16
from tests.sagemaker_kmeans.test_local_model import CENTERS, saved
from tools.documents import ROOT

ROWS = np.random.default_rng(0).normal(3.0, 4.0, (1000, 2)).astype(np.float32)
NAMES = ["age", "income"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tmp_path / "model", CENTERS, feature_names=NAMES)


def written(path: Path, rows: NDArray[Any], names: list[str] | None = None) -> Path:
    """Write rows in the format that a file's name asks for."""
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".csv":
        header = f"{','.join(names)}\r\n" if names else ""
        path.write_text("\ufeff" + header + "".join(f"{','.join(map(str, row.tolist()))}\r\n" for row in rows))
    else:
        columns = names or [f"c{i}" for i in range(rows.shape[1])]
        pyarrow.parquet.write_table(pyarrow.table(dict(zip(columns, rows.T, strict=True))), path)
    return path


def answers(path: Path) -> tuple[list[int], list[np.float32]]:
    if path.suffix == ".npy":
        array = np.load(path, allow_pickle=False)
        return array["closest_cluster"].tolist(), array["distance_to_cluster"].tolist()
    table = pyarrow.csv.read_csv(path) if path.suffix == ".csv" else pyarrow.parquet.read_table(path)
    distances = table["distance_to_cluster"].to_numpy().astype(np.float32)
    return table["closest_cluster"].to_pylist(), distances.tolist()


@pytest.mark.parametrize("given", ["rows.csv", "rows.parquet", "rows.npy"])
@pytest.mark.parametrize("out", ["out.csv", "out.parquet", "out.npy"])
def test_each_row_gets_its_cluster(tmp_path: Path, model: Path, given: str, out: str) -> None:
    labels, distances = LocalModel(CENTERS.copy(), {}).predict_with_distances(ROWS)
    assert main(["predict", str(model), str(written(tmp_path / given, ROWS)), str(tmp_path / out)]) == 0
    assert answers(tmp_path / out) == (labels.tolist(), distances.tolist())


@pytest.mark.parametrize("given", ["rows.csv", "rows.parquet"])
def test_columns_are_chosen_by_name(tmp_path: Path, model: Path, given: str) -> None:
    rows = np.column_stack([ROWS[:, 1], np.arange(1000), ROWS[:, 0]])
    file = written(tmp_path / given, rows, ["income", "id", "age"])
    assert main(["predict", str(model), str(file), str(tmp_path / "out.csv")]) == 0
    assert answers(tmp_path / "out.csv")[0] == LocalModel(CENTERS.copy(), {}).predict(ROWS).tolist()


@pytest.mark.parametrize("given", ["rows.csv", "rows.parquet"])
def test_a_table_with_text_and_gaps(tmp_path: Path, given: str) -> None:
    path = saved(tmp_path / "model", CENTERS, feature_names=NAMES, missing_numbers=[3.0, 4.0])
    table = pyarrow.table({"id": ["a, b", "NA", "c"], "income": [None, 4.0, -1.0], "age": [0.5, None, 10.0]})
    (pyarrow.csv.write_csv if given == "rows.csv" else pyarrow.parquet.write_table)(table, tmp_path / given)
    assert main(["predict", str(path), str(tmp_path / given), str(tmp_path / "out.csv")]) == 0
    expected = LocalModel(CENTERS.copy(), {}).predict_with_distances([[0.5, 4.0], [3.0, 4.0], [10.0, -1.0]])
    assert answers(tmp_path / "out.csv") == tuple(array.tolist() for array in expected)
    # Neither is the first row a header, if only some of its numbers are missing.
    (tmp_path / "b.csv").write_text("NA,4\n10,-1\n<NA>,4\n")
    assert main(["predict", str(path), str(tmp_path / "b.csv"), str(tmp_path / "b.out.csv")]) == 0
    assert answers(tmp_path / "b.out.csv")[0] == [1, 2, 1]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("age,income\n0,0\n", [0]),
        ("first,second\n0,0\n", [0]),
        ("\n\n3,4\n\n0,0\n", [1, 0]),
        ("", []),
        ("age,income\n", []),
    ],
)
def test_a_header_is_what_has_none_of_the_numbers(
    tmp_path: Path, model: Path, content: str, expected: list[int]
) -> None:
    (tmp_path / "a.csv").write_text(content)
    for out in ("out.csv", "out.parquet", "out.npy"):
        assert main(["predict", str(model), str(tmp_path / "a.csv"), str(tmp_path / out)]) == 0
        assert answers(tmp_path / out)[0] == expected


def test_a_first_row_with_a_label_of_text_is_not_lost(tmp_path: Path, model: Path) -> None:
    (tmp_path / "a.csv").write_text("x,3,4\ny,0,0\n")
    assert main(["predict", "--labels", "1", str(model), str(tmp_path / "a.csv"), str(tmp_path / "out.csv")]) == 0
    assert answers(tmp_path / "out.csv")[0] == [1, 0]


def test_names_that_are_numbers_are_no_header(tmp_path: Path) -> None:
    path = saved(tmp_path / "model", CENTERS, feature_names=["4", "3"])
    (tmp_path / "a.csv").write_text("3,4\n")
    assert main(["predict", str(path), str(tmp_path / "a.csv"), str(tmp_path / "out.csv")]) == 0
    assert answers(tmp_path / "out.csv")[0] == [1]


@pytest.mark.parametrize("given", ["rows.csv", "rows.parquet", "rows.npy"])
def test_leading_labels_are_dropped(tmp_path: Path, model: Path, given: str) -> None:
    file = written(tmp_path / given, np.column_stack([np.arange(1000.0), ROWS]))
    assert main(["predict", "--labels", "1", str(model), str(file), str(tmp_path / "out.csv")]) == 0
    assert answers(tmp_path / "out.csv")[0] == LocalModel(CENTERS.copy(), {}).predict(ROWS).tolist()


BFLOAT16 = {"ARROW:extension:name": "lance.bfloat16"}
HALVES = bfloat16.bits(np.round(ROWS))


def bfloat16_column() -> Any:
    """Return lists of two bytes for each number."""
    buffer = pyarrow.py_buffer(HALVES.tobytes())
    values = pyarrow.Array.from_buffers(pyarrow.binary(2), HALVES.size, [None, buffer])
    return pyarrow.FixedSizeListArray.from_arrays(values, 2)


@pytest.mark.parametrize(
    ("column", "metadata"),
    [
        (pyarrow.array(np.round(ROWS).tolist(), pyarrow.list_(pyarrow.float16())), {}),
        (pyarrow.array(np.round(ROWS).tolist(), pyarrow.large_list(pyarrow.float32())), {}),
        (pyarrow.array(np.round(ROWS).tolist(), pyarrow.list_(pyarrow.int8(), 2)), {}),
        (pyarrow.array((np.round(ROWS) * 2 + 8).tolist(), pyarrow.list_(pyarrow.int8())), {"scale_factor": "0.5"}),
        (bfloat16_column(), BFLOAT16),
        (pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(HALVES.ravel()), 2), BFLOAT16),
        # What is not stored in two bytes is what it is, whatever its name.
        (pyarrow.array(np.round(ROWS).tolist(), pyarrow.list_(pyarrow.float32())), BFLOAT16),
        (pyarrow.array(np.round(ROWS).tolist(), pyarrow.list_(pyarrow.int16())), BFLOAT16),
    ],
)
def test_a_column_of_lists(tmp_path: Path, column: Any, metadata: dict[str, str]) -> None:
    offset = -4.0 if "scale_factor" in metadata else 0.0
    metadata = {**metadata, "add_offset": f"[{offset}, {offset}]"}
    path = saved(tmp_path / "model", CENTERS, feature_names=["embedding[0]", "embedding[1]"])
    fields = [pyarrow.field("id", pyarrow.string()), pyarrow.field("embedding", column.type, metadata=metadata)]
    table = pyarrow.table([[f"no. {row}" for row in range(1000)], column], schema=pyarrow.schema(fields))
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert main(["predict", str(path), str(tmp_path / "a.parquet"), str(tmp_path / "out.csv")]) == 0
    expected = LocalModel(CENTERS.copy(), {}).predict_with_distances(np.round(ROWS))
    assert answers(tmp_path / "out.csv") == tuple(array.tolist() for array in expected)


@pytest.mark.parametrize(
    ("rows", "metadata", "message"),
    [
        ([[1.0, 2.0], [3.0]], {}, "expected 2 numbers in each list of 'embedding', got 1"),
        ([[1.0, 2.0], None], {}, "in the 2 rows after 0: expected numbers that are finite in float32, got others"),
        ([[1, 2]], {"scale_factor": "x"}, "expected scale_factor to be a number or a list of numbers, got something"),
        ([[1.0, 2.0, 3.0]], {}, "expected 2 columns, got 3"),
    ],
)
def test_wrong_lists(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], rows: Any, metadata: dict[str, str], message: str
) -> None:
    column = pyarrow.array(rows)
    schema = pyarrow.schema([pyarrow.field("embedding", column.type, metadata=metadata)])
    pyarrow.parquet.write_table(pyarrow.table([column], schema=schema), tmp_path / "a.parquet")
    assert main(["predict", str(model), str(tmp_path / "a.parquet"), str(tmp_path / "out.csv")]) == 2
    assert message in capsys.readouterr().err


def test_bfloat16_of_numpy(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bfloat16.save(tmp_path / "a.npy", np.round(ROWS))
    assert main(["predict", str(model), str(tmp_path / "a.npy"), str(tmp_path / "out.csv")]) == 0
    assert answers(tmp_path / "out.csv")[0] == LocalModel(CENTERS.copy(), {}).predict(np.round(ROWS)).tolist()
    # Without their type, bytes may be anything.
    np.save(tmp_path / "b.npy", HALVES.view("V2"))
    assert main(["predict", str(model), str(tmp_path / "b.npy"), str(tmp_path / "b.out.csv")]) == 2
    assert "expected a matrix of numbers, got something else" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"1,2,3\n", "expected 2 columns, got 3"),
        ("a.csv", b"1,2\n3\n", "columns"),
        ("a.csv", b"id,income,age\nx,1,2\ny,1,2,3\n", "columns"),
        ("a.csv", b"1,2\n,3\n", "expected numbers that are finite"),
        ("a.csv", b"1,2\n3,x\n", "after 0 rows"),
        ("a.csv", b"x,2\n3,4\n", "could not convert string 'x'"),
        ("a.csv", b"1,2\n1_0,4\n", "could not convert string '1_0'"),
        ("a.csv", b"age,income,age\n1,2,3\n", "expected each column's name once, got 'age' twice"),
        ("a.csv", b"a" * (1 << 18), "in the first line: field larger than"),
        (
            "a.csv",
            b"1,2\n3,nan\n",
            "in the 2 rows after 0: expected numbers that are finite in float32, got others in",
        ),
        ("a.csv", b"\xff\xfe", "utf-8"),
        ("a.npy", b"cos\nsystem\n(S'true'\ntR.", "expected an array of numpy.save"),
        ("a.npy", b"", "expected an array of numpy.save"),
        ("a.parquet", b"PAR1", "expected Parquet of numbers"),
    ],
)
def test_a_file_of_something_else_leaves_nothing(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.iterdir())
    assert main(["predict", str(model), str(tmp_path / name), str(tmp_path / "out.csv")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith(str(tmp_path / name))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("names", [["age", "income", "age"], ["x", "x"]])
def test_columns_of_one_name_are_refused(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], names: list[str]
) -> None:
    columns = [pyarrow.array([1.0])] * len(names)
    pyarrow.parquet.write_table(pyarrow.table(columns, names=names), tmp_path / "a.parquet")
    assert main(["predict", str(model), str(tmp_path / "a.parquet"), str(tmp_path / "out.csv")]) == 2
    assert f"expected each column's name once, got '{names[0]}' twice" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.npy"])
def test_what_is_no_regular_file_is_not_waited_for(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    os.mkfifo(tmp_path / name)
    assert main(["predict", str(model), str(tmp_path / name), str(tmp_path / "out.csv")]) == 2
    assert f"{name}: expected a regular file" in capsys.readouterr().err


def test_a_killed_process_is_in_nobodys_way(tmp_path: Path, model: Path) -> None:
    file = written(tmp_path / "a.npy", ROWS)
    program = "import os, sagemaker_kmeans.whole_file as w\nwith w.whole_file('out.csv'): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert list(tmp_path.glob(".out.csv.*.partial"))
    assert main(["predict", str(model), str(file), str(tmp_path / "out.csv")]) == 0
    assert len(answers(tmp_path / "out.csv")[0]) == 1000


def test_missing_values_of_parquet_are_refused(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"age": [1.0, None], "income": [2, 3]}), tmp_path / "a.parquet")
    assert main(["predict", str(model), str(tmp_path / "a.parquet"), str(tmp_path / "out.csv")]) == 2
    assert "got others in row 1" in capsys.readouterr().err


def test_an_index_of_pandas_is_a_feature_where_the_model_has_it(tmp_path: Path, model: Path) -> None:
    table = pyarrow.table({"income": [0.0, 4.0], "age": [0.0, 3.0]})
    table = table.replace_schema_metadata({"pandas": '{"index_columns": ["age"]}'})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert main(["predict", str(model), str(tmp_path / "a.parquet"), str(tmp_path / "out.csv")]) == 0
    assert answers(tmp_path / "out.csv")[0] == [0, 1]


@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        ("index", {"pandas": '{"index_columns": ["index"]}'}),
        # Programs that rewrite a table may drop its metadata.
        ("__index_level_0__", None),
        ("__null_dask_index__", None),
    ],
)
def test_an_index_of_pandas_is_no_feature(
    tmp_path: Path, model: Path, name: str, metadata: dict[str, str] | None
) -> None:
    table = pyarrow.table({"a": [0.0, 3.0], "b": [0.0, 4.0], name: [7, 8]}).replace_schema_metadata(metadata)
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert main(["predict", str(model), str(tmp_path / "a.parquet"), str(tmp_path / "out.csv")]) == 0
    assert answers(tmp_path / "out.csv")[0] == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none", "a.npy", "out.csv"], "none: expected a file, got none"),
        (["model", "a.txt", "out.csv"], "expected a name that ends with .csv, .parquet, .npy"),
        (["model", "none.npy", "out.csv"], "none.npy: No such file"),
        (["model", "a.npy", "none/out.csv"], "partial: No such file"),
        (["model", "a.npy", "a.npy"], "a.npy: expected another file than those that are read"),
        (["--labels", "-1", "model", "a.npy", "out.csv"], "--labels: expected 0 or more, got -1"),
    ],
)
def test_wrong_arguments_end_with_2(tmp_path: Path, model: Path, arguments: list[str], message: str) -> None:
    written(tmp_path / "a.npy", ROWS)
    done = subprocess.run(
        [sys.executable, "-m", "sagemaker_kmeans", "predict", *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert message in done.stderr


def test_it_says_its_release() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sagemaker_kmeans", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"sagemaker-kmeans {__version__}\n"
