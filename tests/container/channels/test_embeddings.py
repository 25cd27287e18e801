"""Embeddings as they lie in Parquet: lists in one column, of floats of any size or of packed whole numbers."""

import io
from contextlib import suppress
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
from tests import bfloat16
from tests.container.channels.conftest import MakeChannel, rows_of

N, D = 100, 6
RNG = np.random.default_rng(0)
ROWS = np.round(RNG.normal(size=(N, D)) * 30).astype(np.float32)
ENDS = pyarrow.array(np.arange(0, N * D + 1, D, dtype=np.int32))
BFLOAT16 = {"ARROW:extension:name": "lance.bfloat16"}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a row group have several batches."""
    monkeypatch.setattr(parquet_reader, "_BATCH_BYTES", 4 * D * 8)


def halves(rows: Any) -> Any:
    """Return the two bytes of each number in bfloat16."""
    stored = bfloat16.bits(rows)
    return pyarrow.Array.from_buffers(pyarrow.binary(2), stored.size, [None, pyarrow.py_buffer(stored.tobytes())])


def lists(values: Any, kind: Any = None) -> Any:
    return pyarrow.ListArray.from_arrays(ENDS, values, type=kind)


def kinds() -> dict[str, Any]:
    single = pyarrow.array(ROWS.ravel())
    fixed = pyarrow.FixedSizeListArray.from_arrays(single, D)
    tensor = pyarrow.fixed_shape_tensor(pyarrow.float32(), [2, 3])
    item = pyarrow.field("item", pyarrow.binary(2), metadata=BFLOAT16)
    return {
        "list of float32": lists(single),
        "list of float64": lists(pyarrow.array(ROWS.astype(np.float64).ravel())),
        "list of float16": lists(pyarrow.array(ROWS.astype(np.float16).ravel())),
        "list of bfloat16": lists(halves(ROWS), pyarrow.list_(item)),
        "large list": pyarrow.LargeListArray.from_arrays(ENDS.cast(pyarrow.int64()), single),
        "list of one length": fixed,
        "tensors": pyarrow.ExtensionArray.from_storage(tensor, fixed),
        "list of int8": lists(pyarrow.array(ROWS.astype(np.int8).ravel())),
        "list of decimals": lists(pyarrow.array(ROWS.astype(int).ravel().tolist()).cast(pyarrow.decimal128(20, 1))),
    }


def write(path: Path, group: int = 30, metadata: Any = None, **columns: Any) -> None:
    """Write a table; metadata are those of the column of embeddings."""
    fields = [
        pyarrow.field(name, column.type, metadata=metadata if name == "embedding" else None)
        for name, column in columns.items()
    ]
    written = pyarrow.table(list(columns.values()), schema=pyarrow.schema(fields))
    pyarrow.parquet.write_table(written, path, row_group_size=group)


@pytest.mark.parametrize("kind", kinds())
def test_a_column_of_lists_is_several_features(make_channel: MakeChannel, folder: Path, kind: str) -> None:
    ids = pyarrow.array([f"no. {row}" for row in range(N)])
    write(folder / "rows.parquet", id=ids, embedding=kinds()[kind], text=ids)
    channel = make_channel(D, 40, PARQUET, selection=Selection(("embedding",), "id"))
    assert channel.feature_names() == tuple(f"embedding[{number}]" for number in range(D))
    assert channel.feature_columns() == ("embedding",)
    for _ in range(2):
        assert np.concatenate(rows_of(channel)).tolist() == ROWS.tolist()
    assert [row for block in channel.blocks(61) for row in block.tolist()] == ROWS[61:].tolist()
    drawn, records = channel.sample(9, np.random.default_rng(1))
    expected = np.sort(np.random.default_rng(1).choice(N, 9, replace=False, shuffle=False))
    assert (drawn.tolist(), records) == (ROWS[expected].tolist(), N)
    assert next(channel.file_ids(folder / "rows.parquet"))[7].as_py() == "no. 7"


def test_lists_next_to_numbers(make_channel: MakeChannel, folder: Path) -> None:
    write(folder / "rows.parquet", age=pyarrow.array(range(N)), embedding=kinds()["large list"], b=halves(ROWS[:, 0]))
    with pytest.raises(
        CustomerError, match=r"expected columns of numbers, got 'b' of the type fixed_size_binary\[2\], w"
    ):
        rows_of(make_channel(D + 2, content_type=PARQUET))
    chosen = Selection(("embedding", "age"))
    (rows,) = rows_of(make_channel(D + 1, N, PARQUET, selection=chosen))
    assert rows == np.column_stack([ROWS, np.arange(N)]).tolist()
    write(folder / "rows.parquet", age=pyarrow.array(range(N)), embedding=kinds()["tensors"], b=pyarrow.nulls(N))
    with pytest.raises(CustomerError, match=r"expected 5 features, got 8 in the columns 'age', 'embedding', 'b'"):
        rows_of(make_channel(5, content_type=PARQUET))


def test_two_columns_of_lists(make_channel: MakeChannel, folder: Path) -> None:
    """Their lengths are those of the first lists that are there."""
    single, none = kinds()["list of float32"], pyarrow.nulls(50, pyarrow.list_(pyarrow.float32()))
    text = pyarrow.concat_arrays([none, pyarrow.array([[7.0, 8.0]] * 50, none.type)])
    write(folder / "a.parquet", 10, image=single, text=text)
    write(folder / "b.parquet", image=single[:0], text=text[:0])
    channel = make_channel(D + 2, N, PARQUET, missing="drop")
    assert channel.feature_columns() == ("image", "text")
    assert channel.feature_names()[-3:] == ("image[5]", "text[0]", "text[1]")
    assert rows_of(channel) == [[[*row, 7.0, 8.0] for row in ROWS[50:].tolist()]]
    assert channel.gap_rows() == 50
    write(folder / "a.parquet", **{"image": single, "text": text, "text[0]": pyarrow.array([1.0] * N)})
    with pytest.raises(CustomerError, match=r"expected each column's name once, got 'text\[0\]' twice"):
        rows_of(make_channel(D + 3, content_type=PARQUET))


@pytest.mark.parametrize("fixed", [True, False])
def test_gaps_in_lists(make_channel: MakeChannel, folder: Path, fixed: bool) -> None:
    given: list[Any] = [[1.0, 2.0], [3.0, None], None, [5.0, 6.0], [float("nan"), 8.0]]
    kind = pyarrow.list_(pyarrow.float32(), 2) if fixed else pyarrow.list_(pyarrow.float32())
    write(folder / "rows.parquet", embedding=pyarrow.array(given, kind))
    (kept,) = rows_of(make_channel(2, 5, PARQUET, missing="drop"))
    assert kept == [[1.0, 2.0], [5.0, 6.0]]
    blocks = make_channel(2, 5, PARQUET, missing="drop").file_blocks(folder / "rows.parquet")
    assert np.isnan(next(blocks)).tolist() == [[False] * 2, [False, True], [True] * 2, [False] * 2, [True, False]]
    for rows, place in (
        (given, "record 3, column 0: expected a number in column 'embedding', got none"),
        (given[:2], "record 2, column 0: expected a number in column 'embedding[1]', got none"),
        (given[3:], "record 2, column 0: expected a number, got nan (in 'embedding[0]')"),
    ):
        write(folder / "rows.parquet", embedding=pyarrow.array(rows, kind))
        with pytest.raises(CustomerError) as caught:
            rows_of(make_channel(2, content_type=PARQUET))
        assert f"(train/rows.parquet, {place}" in str(caught.value)


def test_lists_of_other_lengths_are_errors(
    make_channel: MakeChannel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for odd in ([1.0], [], [1.0, 2.0, 3.0], [1.0] * 1000):
        write(folder / "rows.parquet", embedding=pyarrow.array([[1.0, 2.0]] * 40 + [odd] + [[1.0, 2.0]]))
        with pytest.raises(CustomerError) as caught:
            rows_of(make_channel(2, content_type=PARQUET))
        said = (
            f"train/rows.parquet, record 41, column 0: expected 2 numbers in each list of 'embedding', got {len(odd)}"
        )
        assert said in str(caught.value)
    # So many that they are not even read.
    monkeypatch.setattr(parquet_file, "_FEW_VALUES", 100)
    with pytest.raises(CustomerError, match=r"expected lists of 2 numbers in 12 rows of 'embedding' in row group 1, w"):
        rows_of(make_channel(2, content_type=PARQUET))


def test_whole_numbers_that_stand_for_others(make_channel: MakeChannel, folder: Path) -> None:
    stored = ROWS.astype(np.int8)
    column = lists(pyarrow.array(stored.ravel()))
    factors, offsets = RNG.random(D) + 0.5, RNG.normal(size=D)
    for metadata, expected in (
        (None, stored),
        ({"scale_factor": "0.03"}, stored * 0.03),
        ({"scale_factor": "0.03", "add_offset": "-1"}, stored * 0.03 - 1),
        ({"scale_factor": str(factors.tolist()), "add_offset": str(offsets.tolist())}, stored * factors + offsets),
    ):
        write(folder / "rows.parquet", metadata=metadata, embedding=column)
        (rows,) = rows_of(make_channel(D, N, PARQUET))
        assert rows == expected.astype(np.float32).tolist()
    for name, text, said in (
        ("scale_factor", "0", "expected scale_factor of the column 'embedding' to be other numbers than 0"),
        ("scale_factor", "[1, 2]", "expected one number or 6 as scale_factor of the column 'embedding', got 2"),
        ("add_offset", "[[1]]", "expected add_offset of the column 'embedding' to be a number or a list of num"),
        ("add_offset", "NaN", "to be a number or a list of numbers, got 'NaN'"),
        ("add_offset", "1e999", "to be a number or a list of numbers, got '1e999'"),
        ("scale_factor", "true", "to be a number or a list of numbers, got 'true'"),
        ("scale_factor", "x", "to be a number or a list of numbers, got 'x'"),
        ("scale_factor", "[" * 9999, "to be a number or a list of numbers, got '[[["),
    ):
        write(folder / "rows.parquet", metadata={name: text}, embedding=column)
        with pytest.raises(CustomerError) as caught:
            rows_of(make_channel(D, content_type=PARQUET))
        assert said in str(caught.value)
    # Floats have been unpacked.
    write(folder / "rows.parquet", metadata={"scale_factor": "0.03"}, embedding=kinds()["list of float16"])
    assert rows_of(make_channel(D, N, PARQUET)) == [ROWS.tolist()]


def test_bfloat16_is_known_by_its_name(make_channel: MakeChannel, folder: Path) -> None:
    bits = bfloat16.bits(ROWS[:, 0])
    for metadata, column, expected in (
        (BFLOAT16, halves(ROWS[:, 0]), ROWS[:, 0]),
        (BFLOAT16, pyarrow.array(bits), ROWS[:, 0]),
        # Without a name, whole numbers are whole numbers.
        (None, pyarrow.array(bits), bits),
    ):
        write(folder / "rows.parquet", metadata=metadata, embedding=column)
        (rows,) = rows_of(make_channel(1, N, PARQUET))
        assert np.ravel(rows).tolist() == expected.tolist()
    write(folder / "rows.parquet", metadata=BFLOAT16, embedding=halves([1.0, np.inf]))
    with pytest.raises(CustomerError, match=r"record 2, column 0: expected a finite number, got inf \(in 'embedding'"):
        rows_of(make_channel(1, content_type=PARQUET))
    missing = pyarrow.array([b"\x80\x3f", None], pyarrow.binary(2))
    write(folder / "rows.parquet", metadata=BFLOAT16, embedding=missing)
    assert rows_of(make_channel(1, content_type=PARQUET, missing="drop")) == [[[1.0]]]


def test_no_byte_of_a_file_is_trusted(tmp_path: Path) -> None:
    """Change a file anywhere: its rows are read, or it is refused."""
    path, rng = tmp_path / "rows.parquet", np.random.default_rng(0)
    out = np.empty((200, D), np.float32)
    for kind in ("list of float16", "list of one length"):
        columns = {"embedding": kinds()[kind]}
        write(path, **columns)
        data = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(200):
            changed = data.copy()
            changed[rng.integers(len(data), size=3)] = rng.integers(256, size=3)
            with suppress(FormatError):
                reader = ParquetReader.open(io.BytesIO(changed.tobytes()), RecordForm(D), ReaderResources())
                assert reader.read(out) <= 200
