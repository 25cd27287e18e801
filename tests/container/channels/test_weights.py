"""Weights of rows out of each content type: checked, and rows of weight 0 left out."""

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from container.channels.channel import Channel
from container.configuration.channels import CSV, PARQUET, RECORDIO
from container.errors import CustomerError
from container.formats.columns import Selection
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.records import dense_record, encode
from container.hosts.place import HostPlace
from container.precision.coordinates import UNIT, Coordinates
from kmeans.points import WeightedPoints
from kmeans.types import DoubleArray
from tests.container.channels.conftest import MakeChannel, dense, part

N = 500
KINDS = [RECORDIO, CSV, PARQUET]
ROWS = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).choice([0.0, 0.1, 1.0, 2.5, 1e9], N)
WANTED = Selection(weight="w")


def record(row: Any, weight: float | None, kind: str = "float64_tensor", name: str = "w") -> Record:
    """Return a record with another feature, a label, and a weight."""
    made = dense_record(np.asarray(row, np.float32))
    made.features["other"].float32_tensor.values.extend([7, 8])
    made.label["values"].float32_tensor.values.append(3)
    if weight is not None:
        values = getattr(made.features[name], kind).values
        values.append(int(weight) if kind == "int32_tensor" else weight)
    return made


def write(folder: Path, kind: str, weights: Any, rows: Any = ROWS) -> None:
    table = pyarrow.table({"w": pyarrow.array(weights), **{f"f{i}": rows[:, i] for i in range(3)}})
    if kind == PARQUET:
        pyarrow.parquet.write_table(table, folder / "rows", row_group_size=90)
    elif kind == CSV:
        pyarrow.csv.write_csv(table, folder / "rows")
    else:
        (folder / "rows").write_bytes(encode(map(record, rows, weights)))


def channel(make: MakeChannel, kind: str, **changes: Any) -> Channel:
    return make(content_type=kind, header=kind == CSV, mini_batch_size=64, **{"selection": WANTED, **changes})


def read(source: Channel, skip: int = 0) -> tuple[Any, DoubleArray]:
    blocks = list(source.blocks(skip))
    rows, weights = [], []
    for block in blocks:
        assert isinstance(block, WeightedPoints)
        rows.append(block.values.copy())
        weights.append(block.weights.copy())
    return np.concatenate(rows), np.concatenate(weights)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_come_with_their_weights_but_for_those_of_weight_0(
    folder: Path, make_channel: MakeChannel, kind: str, threads: int
) -> None:
    write(folder, kind, WEIGHTS)
    kept = WEIGHTS > 0
    source = channel(make_channel, kind, threads=threads)
    rows, weights = read(source)
    np.testing.assert_array_equal(rows, ROWS[kept])
    np.testing.assert_array_equal(weights, WEIGHTS[kept])
    rows, weights = read(source, 128)
    np.testing.assert_array_equal(weights, WEIGHTS[kept][128:])
    drawn, n_rows = Channel.sample(source, 50, np.random.default_rng(0))
    assert isinstance(drawn, WeightedPoints)
    assert (len(drawn), n_rows) == (50, kept.sum())
    places = [int(np.flatnonzero((row == ROWS).all(axis=1))[0]) for row in drawn.values]
    np.testing.assert_array_equal(drawn.weights, WEIGHTS[places])
    # All rows of a file are there for the assignments.
    assert sum(map(len, source.file_blocks(folder / "rows"))) == N


@pytest.mark.parametrize("kind", KINDS)
def test_hosts_with_the_same_files_divide_the_rows_that_have_a_weight(
    folder: Path, make_channel: MakeChannel, kind: str
) -> None:
    write(folder, kind, WEIGHTS)
    hosts = ("a", "b")
    found = [read(channel(make_channel, kind, place=HostPlace(rank, hosts)))[1] for rank in range(2)]
    kept = WEIGHTS[WEIGHTS > 0]
    batches = [kept[begin : begin + 64] for begin in range(0, len(kept), 64)]
    for rank in range(2):
        np.testing.assert_array_equal(found[rank], np.concatenate(batches[rank::2]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", ["error", "mean", "drop"])
@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf, None])
def test_another_weight_is_an_error_with_its_place(
    folder: Path, make_channel: MakeChannel, kind: str, missing: str, wrong: float | None
) -> None:
    weights = [*WEIGHTS.tolist()]
    weights[200] = wrong
    write(folder, kind, weights)
    source = channel(make_channel, kind, missing=missing)
    source.choose_coordinates_by(lambda *_: Coordinates(fills=np.zeros(3) if missing == "mean" else None))
    place = {CSV: "line 202, column 0", PARQUET: "record 201, column 0", RECORDIO: "record 201"}[kind]
    with pytest.raises(CustomerError, match=re.escape(f"train/rows, {place}: expected a")) as raised:
        read(source)
    assert "Found weights that are missing, negative or infinite." in str(raised.value)


@pytest.mark.parametrize("kind", [CSV, PARQUET])
def test_rows_with_gaps_have_weights_too(folder: Path, make_channel: MakeChannel, kind: str) -> None:
    rows = ROWS.copy()
    rows[::7, 1] = np.nan
    write(folder, kind, WEIGHTS, rows)
    if kind == CSV:
        text = (folder / "rows").read_text()
        (folder / "rows").write_text(text.replace("nan", ""))
    source = channel(make_channel, kind, missing="drop")
    found, weights = read(source)
    kept = (WEIGHTS > 0) & ~np.isnan(rows).any(axis=1)
    np.testing.assert_array_equal(found, rows[kept])
    np.testing.assert_array_equal(weights, WEIGHTS[kept])
    assert source.gap_rows() == ((WEIGHTS > 0) & np.isnan(rows).any(axis=1)).sum()


@pytest.mark.parametrize("kind", [CSV, PARQUET])
def test_gaps_among_rows_that_a_resumed_job_skips_are_counted(
    folder: Path, make_channel: MakeChannel, kind: str
) -> None:
    rows = ROWS.copy()
    rows[::7, 1] = np.nan
    write(folder, kind, WEIGHTS, rows)
    source = channel(make_channel, kind, missing="mean", coordinates=Coordinates(fills=np.full(3, 9.0)))
    found, weights = read(source, 128)
    kept = WEIGHTS > 0
    np.testing.assert_array_equal(found, np.nan_to_num(rows[kept][128:], nan=9.0))
    np.testing.assert_array_equal(weights, WEIGHTS[kept][128:])
    assert source.gap_rows() == (kept & np.isnan(rows).any(axis=1)).sum()


@pytest.mark.parametrize("threads", [1, 3])
def test_compressed_lines_have_weights(folder: Path, make_channel: MakeChannel, threads: int) -> None:
    write(folder, CSV, WEIGHTS)
    (folder / "rows").write_bytes(gzip.compress((folder / "rows").read_bytes()))
    rows, weights = read(channel(make_channel, CSV, threads=threads))
    np.testing.assert_array_equal(rows, ROWS[WEIGHTS > 0])
    np.testing.assert_array_equal(weights, WEIGHTS[WEIGHTS > 0])


@pytest.mark.parametrize("first", ["w", "v"])
def test_lists_have_a_weight_in_another_column(folder: Path, make_channel: MakeChannel, first: str) -> None:
    columns = {"w": pyarrow.array(WEIGHTS), "v": pyarrow.array(ROWS.tolist(), pyarrow.list_(pyarrow.float32()))}
    table = pyarrow.table(columns).select([first, *(columns.keys() - {first})])
    pyarrow.parquet.write_table(table, folder / "rows", row_group_size=90)
    source = channel(make_channel, PARQUET)
    rows, weights = read(source)
    np.testing.assert_array_equal(rows, ROWS[WEIGHTS > 0])
    np.testing.assert_array_equal(weights, WEIGHTS[WEIGHTS > 0])
    assert source.feature_names() == ("v[0]", "v[1]", "v[2]")
    wrong = table.set_column(table.column_names.index("w"), "w", pyarrow.array([*WEIGHTS[:-1], -1.0]))
    pyarrow.parquet.write_table(wrong, folder / "rows")
    place = table.column_names.index("w")
    with pytest.raises(
        CustomerError, match=f"record {N}, column {place}: expected a weight of 0 or more in 'w', got -1"
    ):
        read(channel(make_channel, PARQUET))


def test_a_list_is_no_weight(folder: Path, make_channel: MakeChannel) -> None:
    ones = pyarrow.array([[1.0]] * N, pyarrow.list_(pyarrow.float32()))
    table = pyarrow.table({"w": ones, **{f"f{i}": ROWS[:, i] for i in range(3)}})
    pyarrow.parquet.write_table(table, folder / "rows")
    with pytest.raises(CustomerError, match="expected weights that are numbers, got 'w' of the type list"):
        read(channel(make_channel, PARQUET))


def test_rows_of_a_host_among_several_come_in_blocks(folder: Path, make_channel: MakeChannel) -> None:
    write(folder, RECORDIO, WEIGHTS)
    place = HostPlace(0, ("a", "b"))
    source = channel(make_channel, RECORDIO, place=place, distribution="ShardedByS3Key", threads=3)
    blocks = [block.weights.copy() for block in source.stretches() if isinstance(block, WeightedPoints)]
    np.testing.assert_array_equal(np.concatenate(blocks), WEIGHTS[WEIGHTS > 0])


def test_records_may_be_of_any_form(folder: Path, make_channel: MakeChannel) -> None:
    written = dense_record(ROWS[0]).SerializeToString()
    alone = Record()
    alone.features["w"].float32_tensor.values.append(2)
    weight = alone.SerializeToString()
    sparse = Record()
    sparse.features["values"].float32_tensor.values.extend([5])
    sparse.features["values"].float32_tensor.keys.extend([1])
    sparse.features["values"].float32_tensor.shape.extend([3])
    sparse.features["w"].int32_tensor.values.append(4)
    shaped = record(ROWS[1], 0.5, "float32_tensor")
    shaped.features["w"].float32_tensor.shape.append(1)
    # The numbers one by one, in no packed field: 09 is field 1 of 8 bytes.
    unpacked = bytes([0x0A, 18, 0x0A, 1, ord("w"), 0x12, 13, 0x1A, 11, 0x0A, 0, 0x09, *np.float64(6).tobytes()])
    frames = [
        encode([shaped, sparse]),
        part(0, written + weight),
        part(0, weight + written),
        part(0, weight + weight + written),
        part(0, written + unpacked),
    ]
    (folder / "rows").write_bytes(b"".join(frames))
    rows, weights = read(channel(make_channel, RECORDIO))
    assert weights.tolist() == [0.5, 4.0, 2.0, 2.0, 2.0, 6.0]
    np.testing.assert_array_equal(rows, [ROWS[1], [0, 5, 0], *[ROWS[0]] * 4])


@pytest.mark.parametrize("where", range(3))
def test_a_record_without_a_weight_is_an_error(folder: Path, make_channel: MakeChannel, where: int) -> None:
    wrong = [record(ROWS[0], None), record(ROWS[0], 1.0), record(ROWS[0], 1.0)]
    wrong[1].features["w"].float64_tensor.values.append(2.0)
    wrong[2].features["w"].float64_tensor.keys.append(2)
    (folder / "rows").write_bytes(encode([*(record(ROWS[1], 1.0) for _ in range(9)), wrong[where]]))
    with pytest.raises(CustomerError, match=r"record 10: expected a (feature named|dense tensor of one)"):
        read(channel(make_channel, RECORDIO))


def test_no_weight_is_asked_for_by_default(folder: Path, make_channel: MakeChannel) -> None:
    (folder / "rows").write_bytes(encode([record(row, -1.0, name="weight") for row in ROWS]))
    source = make_channel(mini_batch_size=64)
    np.testing.assert_array_equal(np.concatenate([block.copy() for block in source.blocks()]), ROWS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_channel_without_any_weight_has_no_record(folder: Path, make_channel: MakeChannel, kind: str) -> None:
    write(folder, kind, np.zeros(N))
    with pytest.raises(CustomerError, match="no record of a weight above 0"):
        list(channel(make_channel, kind).blocks())


def test_a_feature_of_that_name_may_be_missing_from_a_plain_file(folder: Path, make_channel: MakeChannel) -> None:
    (folder / "rows").write_bytes(dense(ROWS))
    with pytest.raises(CustomerError, match="record 1: expected a feature named 'w', got 'values'"):
        read(channel(make_channel, RECORDIO))


def test_a_row_of_zeros_is_named_by_its_number_in_the_file(folder: Path, make_channel: MakeChannel) -> None:
    rows = ROWS.copy()
    rows[250] = 0
    weights = np.where(np.arange(N) % 3, 1.0, 0.0)
    write(folder, RECORDIO, weights, rows)
    with pytest.raises(CustomerError, match="record 251: expected a number other than 0"):
        read(channel(make_channel, RECORDIO, coordinates=UNIT))
