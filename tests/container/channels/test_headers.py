"""CSV with a header: names choose columns, whatever reads the lines."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from container.channels.csv_reader import CSVReader
from container.configuration.channels import CSV
from container.errors import CustomerError
from container.formats.columns import Selection
from container.logs.logger import LOGGER
from tests.container.channels.conftest import MakeChannel, rows_of

ROWS = np.arange(600, dtype=np.float32).reshape(200, 3)
LINES = [",".join(map("{:g}".format, row)) for row in ROWS.tolist()]
TABLE = ['name,a,"b, b",id,c'] + [
    f'"Ann, {row}",{a:g},{b:g},x{row},{c:g}' for row, (a, b, c) in enumerate(ROWS.tolist())
]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a team have many pieces."""
    monkeypatch.setattr(CSVReader, "piece_bytes", 256)


def write(path: Path, lines: list[str], end: str = "\n") -> None:
    path.write_bytes((end.join(lines) + end).encode())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_first_line_of_each_file_has_names(make_channel: MakeChannel, folder: Path, threads: int, end: str) -> None:
    write(folder / "a.csv", ["\ufeffa,b,c", *LINES[:120]], end)
    write(folder / "b.csv", ["a,b,c", *LINES[120:]], end)
    write(folder / "c.csv", ["a,b,c"], end)
    (folder / "d.csv").write_bytes(b"")
    channel = make_channel(content_type=CSV, header=True, mini_batch_size=50, threads=threads)
    assert channel.feature_names() == ("a", "b", "c")
    assert np.concatenate(rows_of(channel)).tolist() == ROWS.tolist()
    drawn, records = channel.sample(1000, np.random.default_rng(0))
    assert (drawn.tolist(), records) == (ROWS.tolist(), 200)
    assert np.concatenate([*channel.blocks(skip=130)]).tolist() == ROWS[130:].tolist()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("features", ["cab", "c", "bc"])
def test_columns_are_chosen_by_name(make_channel: MakeChannel, folder: Path, threads: int, features: str) -> None:
    names = tuple({"b": "b, b"}.get(name, name) for name in features)
    write(folder / "rows.csv", TABLE)
    # The same columns at other places.
    write(folder / "second.csv", ["c,b ,a,id", "9,8,7,y"] if "b" not in features else ['c,"b, b",a,id', "9,8,7,y"])
    channel = make_channel(len(features), 50, CSV, header=True, selection=Selection(names, "id"), threads=threads)
    assert channel.feature_names() == names
    columns = ["abc".index(name) for name in features]
    expected = np.concatenate([ROWS, [[7, 8, 9]]])[:, columns]
    assert np.concatenate(rows_of(channel)).tolist() == expected.tolist()
    drawn, _ = channel.sample(1000, np.random.default_rng(0))
    assert drawn.tolist() == expected.tolist()
    ids = [ident for path in channel.files() for texts in channel.file_ids(path) for ident in texts.to_pylist()]
    assert ids == [*(f"x{row}" for row in range(200)), "y"]


def test_an_id_first_and_a_label(make_channel: MakeChannel, folder: Path) -> None:
    write(folder / "rows.csv", ["id,y,a,b", "x,7,1,2", '"y ""1""",7,3,4'])
    channel = make_channel(2, content_type=CSV, header=True, selection=Selection(ident="id"))
    assert channel.feature_names() == ("a", "b")
    assert rows_of(channel) == [[[1, 2], [3, 4]]]
    (texts,) = channel.file_ids(folder / "rows.csv")
    assert texts.to_pylist() == ["x", 'y "1"']


def test_the_index_of_pandas_is_left_out(
    make_channel: MakeChannel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(LOGGER, "info", lambda text, *values: said.append(text % values))
    for name in ("a.csv", "b.csv"):
        write(folder / name, [",a,b", "0,1,2", "1,3,4"])
    channel = make_channel(2, content_type=CSV, header=True)
    assert np.concatenate(rows_of(channel)).tolist() == [[1, 2], [3, 4]] * 2
    left_out = "left out the index of pandas, '': df.reset_index() would make features of it"
    assert said == [f"channel train: {left_out}"]


HEAD = (
    "Customer Error: Unable to read data channel 'train'. Requested content-type is 'text/csv'. Please verify the data"
)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["a,b", "1,2"], {}, "train/rows.csv, line 1: expected 3 columns of features, got 2 columns: 'a', 'b'"),
        (["a,b,a", "1,2,3"], {}, "line 1: expected each column's name once, got 'a' twice"),
        (['a,b,"c', "1,2,3"], {}, "line 1: expected cells with matching quotation marks"),
        (["a,b,c", "1,2,3", "1,x,3"], {}, "train/rows.csv, line 3, column 1: expected a number, got 'x' (in 'b')"),
        (["a,b,c", *LINES, "1,2"], {}, "train/rows.csv, line 202: expected 3 columns, got 2"),
        (
            [*TABLE, 'x,1,y,"id",3'],
            {"selection": Selection(("a", "b, b", "c"))},
            "line 202, column 2: expected a numbe",
        ),
        ([*TABLE, "x,1"], {"selection": Selection(("a", "b, b", "c"))}, "line 202: expected 5 columns, got 2"),
        (TABLE, {"selection": Selection(("a", "b", "c"))}, "line 1: expected a column named 'b', got 'name', 'a', 'b"),
        (["1,2,3", "a,b,c"], {}, "line 2, column 0: expected a number, got 'a'"),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_errors_name_the_line(
    make_channel: MakeChannel, folder: Path, lines: list[str], options: Any, message: str, threads: int
) -> None:
    write(folder / "rows.csv", lines)
    with pytest.raises(CustomerError) as caught:
        rows_of(make_channel(content_type=CSV, header=True, threads=threads, **options))
    assert str(caught.value).startswith(HEAD)
    assert message in str(caught.value)


def test_files_must_agree(make_channel: MakeChannel, folder: Path) -> None:
    write(folder / "a.csv", ["a,b,c", "1,2,3"])
    write(folder / "b.csv", ["a,c,b", "1,2,3"])
    message = r"b\.csv, expected the columns of the other files, 'a', 'b', 'c', got 'a', 'c', 'b': feature_columns"
    with pytest.raises(CustomerError, match=message):
        rows_of(make_channel(content_type=CSV, header=True))
    chosen = make_channel(content_type=CSV, header=True, selection=Selection(("a", "b", "c")))
    assert rows_of(chosen) == [[[1, 2, 3], [1, 3, 2]]]
