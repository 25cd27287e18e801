"""Channels of Parquet: row groups as pieces, and files that claim what they do not hold."""

import io
import struct
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from container.channels import parquet_reader
from container.channels.form import ReaderResources, RecordForm
from container.channels.parquet_reader import ParquetReader
from container.configuration.channels import PARQUET
from container.errors import CustomerError
from container.formats.columns import Selection
from container.formats.errors import FormatError
from container.formats.parquet import file as parquet_file
from container.logs.logger import LOGGER
from container.stopping import Stop
from kmeans.source import GivenUpError
from tests.container.channels.conftest import MakeChannel, rows_of

ROWS = np.arange(300, dtype=np.float32).reshape(100, 3)
NAMES = ("a", "b.c", "d")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a row group have several batches."""
    monkeypatch.setattr(parquet_reader, "_BATCH_BYTES", 12 * 8)
    monkeypatch.setattr(parquet_reader, "_IDS_TOGETHER", 8)


def table(rows: Any = ROWS, names: tuple[str, ...] = NAMES, **more: Any) -> Any:
    return pyarrow.table({**dict(zip(names, map(pyarrow.array, np.asarray(rows).T), strict=True)), **more})


def write(path: Path, written: Any, group: int = 20, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(written, path, row_group_size=group, **options)


def reader_of(path: Path, **form: Any) -> ParquetReader:
    return ParquetReader.open(io.BytesIO(path.read_bytes()), RecordForm(3, **form), ReaderResources())


@pytest.mark.parametrize("group", [1, 7, 8, 20, 1000])
@pytest.mark.parametrize("mode", ["File", "FastFile"])
def test_rows(make_channel: MakeChannel, folder: Path, group: int, mode: str) -> None:
    write(folder / "b/part.parquet", table(ROWS[40:]), group)
    write(folder / "a=1/part.parquet", table(ROWS[:40]), group)
    write(folder / "c.parquet", table(ROWS[:0]))
    channel = make_channel(content_type=PARQUET, mini_batch_size=9, mode=mode)
    assert channel.feature_names() == NAMES
    for _ in range(2):
        batches = rows_of(channel)
        assert [len(batch) for batch in batches] == [9] * 11 + [1]
        assert np.concatenate(batches).tolist() == ROWS.tolist()
        assert channel.bytes_read == sum(path.stat().st_size for path in channel.files()[:2])
    for skip in (0, 1, 39, 40, 41, 99, 100, 101):
        assert [row.tolist() for block in channel.blocks(skip) for row in block] == ROWS[skip:].tolist()
    drawn, records = channel.sample(17, np.random.default_rng(1))
    assert records == 100
    expected = np.sort(np.random.default_rng(1).choice(100, 17, replace=False, shuffle=False))
    assert drawn.tolist() == ROWS[expected].tolist()


def test_the_columns_of_partitions_are_left_out(
    make_channel: MakeChannel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(LOGGER, "info", lambda text, *values: said.append(text % values))
    write(folder / "year=2024/month=1/part.parquet", table())
    write(folder / "year=2024/month=2/part.parquet", table())
    channel = make_channel(content_type=PARQUET, mini_batch_size=200)
    assert channel.feature_names() == NAMES
    assert rows_of(channel) == [[*ROWS.tolist(), *ROWS.tolist()]]
    assert said == ["channel train: left out the columns of partitions, 'month', 'year'"]


def test_groups_that_are_skipped_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "rows.parquet", table())
    begun: list[int] = []
    batches = parquet_file.ParquetFile.batches

    def noted(self: Any, columns: Any, group: int, rows: int) -> Any:
        begun.append(group)
        return batches(self, columns, group, rows)

    monkeypatch.setattr(parquet_file.ParquetFile, "batches", noted)
    reader, out = reader_of(tmp_path / "rows.parquet"), np.empty((5, 3), np.float32)
    assert reader.skip(65) == 65
    assert reader.read(out) == 5
    assert out.tolist() == ROWS[65:70].tolist()
    exact = np.empty((2, 3))
    assert reader.read(exact) == 2
    assert exact.tolist() == ROWS[70:72].tolist()
    assert reader.skip(100) == 28
    assert reader.read(out) == 0
    assert (reader.records, begun) == (100, [3])
    assert reader_of(tmp_path / "rows.parquet").count(guess=True) == 100
    assert begun == [3]


def test_hosts_divide_the_rows(make_channel: MakeChannel, folder: Path) -> None:
    from container.hosts.place import HostPlace

    write(folder / "rows.parquet", table())
    hosts = ("algo-1", "algo-2")
    parts = [
        rows_of(make_channel(content_type=PARQUET, mini_batch_size=30, place=HostPlace(rank, hosts)))
        for rank in range(2)
    ]
    assert [[len(batch) for batch in part] for part in parts] == [[30, 30], [30, 10]]
    assert parts[1][0] == ROWS[30:60].tolist()


def test_columns_of_every_type_by_name(make_channel: MakeChannel, folder: Path) -> None:
    more = {
        "decimal": pyarrow.array([Decimal(f"{row}.25") for row in range(100)]),
        "flag": pyarrow.array([row % 2 == 0 for row in range(100)]),
        "coded": pyarrow.array([row % 3 for row in range(100)]).dictionary_encode(),
        "text": pyarrow.array([f"row {row}" for row in range(100)]).dictionary_encode(),
    }
    write(folder / "rows.parquet", table(**more))
    names = ("coded", "flag", "decimal")
    channel = make_channel(content_type=PARQUET, mini_batch_size=100, selection=Selection(names, "text"))
    assert channel.feature_names() == names
    assert rows_of(channel)[0] == [[row % 3, row % 2 == 0, row + 0.25] for row in range(100)]
    texts = [text for texts in channel.file_ids(folder / "rows.parquet") for text in texts.to_pylist()]
    assert texts == [f"row {row}" for row in range(100)]
    for name, first in (("decimal", "0.25"), ("flag", "true"), ("a", "0")):
        numbered = make_channel(content_type=PARQUET, selection=Selection(names, name))
        assert next(numbered.file_ids(folder / "rows.parquet"))[0].as_py() == first


def test_a_column_of_no_values_is_missing(make_channel: MakeChannel, folder: Path) -> None:
    write(folder / "a.parquet", table(ROWS[:2]))
    write(folder / "b.parquet", table(ROWS[2:4]).set_column(1, "b.c", pyarrow.nulls(2)))
    with pytest.raises(
        CustomerError, match=r"b.parquet, record 1, column 1: expected a number in column 'b.c', got no"
    ):
        rows_of(make_channel(content_type=PARQUET))
    assert rows_of(make_channel(content_type=PARQUET, missing="drop")) == [ROWS[:2].tolist()]
    write(folder / "a.parquet", table(ROWS[:2]).set_column(0, "id", pyarrow.nulls(2)))
    channel = make_channel(2, content_type=PARQUET, selection=Selection(ident="id"))
    assert next(channel.file_ids(folder / "a.parquet")).to_pylist() == [None, None]


def test_labels_and_the_index_are_left_out(
    make_channel: MakeChannel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(LOGGER, "info", lambda text, *values: said.append(text % values))
    index = pyarrow.array(range(100))
    write(folder / "rows.parquet", table(ROWS, ("y", "a", "b"), __index_level_0__=index))
    assert rows_of(make_channel(2, 100, PARQUET, label_size=1)) == [ROWS[:, 1:].tolist()]
    assert said == [
        "channel train: left out the index of pandas, '__index_level_0__': df.reset_index() would make features of it"
    ]
    channel = make_channel(3, 100, PARQUET, selection=Selection(ident="__index_level_0__"))
    assert next(channel.file_ids(folder / "rows.parquet")).to_pylist() == [*map(str, range(8))]


@pytest.mark.parametrize(
    ("written", "options", "message"),
    [
        (
            table(names=("a", "b", "c"), d=pyarrow.array(["x"] * 100)),
            {},
            "expected 3 columns of features, got 4 column",
        ),
        (
            table(names=("a", "b", "c"), d=pyarrow.array(["x"] * 100)),
            {"label_size": 1},
            "expected columns of numbers, got 'd' of the type string",
        ),
        (table(), {"selection": Selection(ident="id")}, "expected a column named 'id', got 'a', 'b.c', 'd'"),
        (
            table(e=pyarrow.array([b"x"] * 100)),
            {"selection": Selection(ident="e")},
            "expected ids that are text, numbers or dates, got 'e' of the type binary",
        ),
        (
            table(np.where(ROWS == 242, np.nan, ROWS)),
            {},
            "train/rows.parquet, record 81, column 2: expected a number, got nan (in 'd')",
        ),
    ],
)
def test_what_is_wrong_is_named(
    make_channel: MakeChannel, folder: Path, written: Any, options: Any, message: str
) -> None:
    write(folder / "rows.parquet", written)
    with pytest.raises(CustomerError) as caught:
        rows_of(make_channel(content_type=PARQUET, **options))
    assert message in str(caught.value)


def test_files_without_a_row(make_channel: MakeChannel, folder: Path) -> None:
    for name in "ab":
        write(folder / f"{name}.parquet", table(ROWS[:0]))
    with pytest.raises(CustomerError, match=r"expected data, got 2 files and no record in them"):
        rows_of(make_channel(content_type=PARQUET))


def test_files_must_agree(make_channel: MakeChannel, folder: Path) -> None:
    write(folder / "a.parquet", table())
    write(folder / "b.parquet", table(names=("d", "b.c", "a")))
    with pytest.raises(
        CustomerError, match=r"b\.parquet, expected the columns of the other files, 'a', 'b\.c', 'd', g"
    ):
        rows_of(make_channel(content_type=PARQUET))
    chosen = make_channel(content_type=PARQUET, mini_batch_size=200, selection=Selection(NAMES))
    assert rows_of(chosen) == [[*ROWS.tolist(), *ROWS[:, ::-1].tolist()]]


def test_a_job_that_is_to_stop_reads_no_further(make_channel: MakeChannel, folder: Path) -> None:
    write(folder / "rows.parquet", table())
    stop = Stop()
    channel = make_channel(content_type=PARQUET, stop=stop)
    stop.grace_seconds = 0.0
    stop.request("SIGTERM")
    assert rows_of(channel) == []
    assert channel.feature_names() == ()
    with pytest.raises(GivenUpError):
        channel.sample(3, np.random.default_rng(0))


def broken(path: Path, **changes: Any) -> bytes:
    """Write a file, and change it."""
    write(path, table(), **changes)
    return path.read_bytes()


def test_broken_files_are_refused(make_channel: MakeChannel, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "rows.parquet"
    data = broken(path)
    footer = struct.unpack("<I", data[-8:-4])[0]
    for content, message in (
        (b"1,2,3\n" * 9, "expected Parquet, got text"),
        (b"\x1f\x8b" + data, "expected Parquet, got gzip"),
        (b"", "expected Parquet, got an empty file"),
        (b"PAR1", "expected Parquet, which ends with"),
        (data[:-9], "expected Parquet, which ends with"),
        (
            data[:-8] + struct.pack("<I", 1 << 31) + b"PAR1",
            "expected a footer of at most 268435456 bytes, within the fi",
        ),
        (data[:-8] + struct.pack("<I", len(data)) + b"PAR1", "expected a footer of at most"),
        (data[: -8 - footer] + bytes(footer) + data[-8:], "expected Parquet, got something else or a broken file"),
        (data[:4] + data[-8 - footer :], "expected"),
        (data[:4] + bytes(len(data) - 12 - footer) + data[-8 - footer :], "got something else or a broken file"),
    ):
        path.write_bytes(content)
        with pytest.raises(CustomerError) as caught:
            rows_of(make_channel(content_type=PARQUET))
        assert message in str(caught.value)
    path.write_bytes(data)
    monkeypatch.setattr(parquet_file, "_FEW_VALUES_BYTES", -(1 << 20))
    with pytest.raises(
        CustomerError, match=r"expected at most -\d+ bytes for 20 numbers of 'a' in row group 0, got \d"
    ):
        rows_of(make_channel(content_type=PARQUET))


def test_no_byte_of_a_file_is_trusted(tmp_path: Path) -> None:
    """Change a file anywhere: its rows are read, or it is refused."""
    path = tmp_path / "rows.parquet"
    rng, out = np.random.default_rng(0), np.empty((200, 3), np.float32)
    data = np.frombuffer(broken(path, use_dictionary=False, compression="zstd"), np.uint8)
    for _ in range(300):
        changed = data.copy()
        changed[rng.integers(len(data), size=3)] = rng.integers(256, size=3)
        path.write_bytes(changed.tobytes())
        with suppress(FormatError):
            assert reader_of(path).read(out) <= 200
