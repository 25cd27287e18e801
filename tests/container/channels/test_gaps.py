"""Rows with missing numbers: filled, dropped or refused, in every format and by every way to read."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from container.channels.csv_reader import CSVReader
from container.configuration.channels import CSV, PARQUET, RECORDIO
from container.errors import CustomerError
from container.formats.columns import Selection
from container.hosts.place import HostPlace
from container.precision.coordinates import Coordinates
from container.precision.fills import with_fills
from kmeans.communicator import SingleHost
from tests.container.channels.conftest import MakeChannel, dense, rows_of

RNG = np.random.default_rng(0)
WHOLE = RNG.integers(100, size=(900, 3)).astype(np.float32)
ROWS = WHOLE.copy()
ROWS[RNG.random(ROWS.shape) < 0.05] = np.nan
KEPT = ROWS[~np.isnan(ROWS).any(axis=1)]
MEANS = np.nanmean(ROWS.astype(np.float64), axis=0)
FILLED = np.where(np.isnan(ROWS), MEANS, ROWS).astype(np.float32)
N_GAPS = len(ROWS) - len(KEPT)
WORDS = ("", " ", "nan", "NA", "n/a", '""', "null", "None")


def lines(rows: Any) -> list[str]:
    return [
        ",".join(WORDS[(number + column) % len(WORDS)] if np.isnan(value) else f"{value:g}"
                 for column, value in enumerate(row.tolist()))
        for number, row in enumerate(rows)
    ]  # fmt: skip


def write(folder: Path, kind: str) -> dict[str, Any]:
    """Write the rows as two files; return what the channel is told of them."""
    for name, part in (("a", ROWS[:500]), ("b", ROWS[500:])):
        if kind == PARQUET:
            columns = {
                "x": pyarrow.array(part[:, 0], pyarrow.int64(), from_pandas=True),
                "y": pyarrow.array(part[:, 1], from_pandas=True),
                "z": pyarrow.array(part[:, 2]),
            }
            pyarrow.parquet.write_table(pyarrow.table(columns), folder / name, row_group_size=70)
        elif kind == RECORDIO:
            (folder / name).write_bytes(dense(part))
        else:
            head = ["x,y,z"] if kind == "header" else []
            (folder / name).write_text("\n".join([*head, *lines(part)]))
    if kind == "header":
        return {"content_type": CSV, "header": True, "selection": Selection(("x", "y", "z"))}
    return {"content_type": kind, **({"label_size": 0} if kind == CSV else {})}


KINDS = (PARQUET, RECORDIO, CSV, "header")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a team have many pieces."""
    monkeypatch.setattr(CSVReader, "piece_bytes", 1024)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_dropped(make_channel: MakeChannel, folder: Path, kind: str, threads: int) -> None:
    told = write(folder, kind)
    channel = make_channel(mini_batch_size=100, missing="drop", threads=threads, **told)
    assert [len(batch) for batch in rows_of(channel)] == [100] * (len(KEPT) // 100) + [len(KEPT) % 100]
    for skip in (0, 1, 333, len(KEPT)):
        assert [row.tolist() for block in channel.blocks(skip) for row in block] == KEPT[skip:].tolist()
    drawn, records = channel.sample(50, np.random.default_rng(1))
    numbers = np.sort(np.random.default_rng(1).choice(len(KEPT), 50, replace=False, shuffle=False))
    assert (records, drawn.tolist()) == (len(KEPT), KEPT[numbers].tolist())
    assert channel.gap_rows() == N_GAPS
    # The assignments have a line for each row.
    blocks = np.concatenate([block.copy() for path in channel.files() for block in channel.file_blocks(path)])
    np.testing.assert_array_equal(blocks, ROWS)
    assert channel.gap_rows() == N_GAPS


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_filled(make_channel: MakeChannel, folder: Path, kind: str, threads: int) -> None:
    told = write(folder, kind)
    channel = make_channel(mini_batch_size=100, missing="mean", threads=threads, **told)
    channel.choose_coordinates_by(with_fills(lambda *_: Coordinates(), SingleHost()))
    drawn, records = channel.sample(2000, np.random.default_rng(1))
    assert records == len(ROWS)
    assert channel.coordinates.fills is not None
    np.testing.assert_allclose(channel.coordinates.fills, MEANS, rtol=1e-12)
    np.testing.assert_array_equal(drawn, FILLED)
    for skip in (0, 1, 333, 900):
        assert [row.tolist() for block in channel.blocks(skip) for row in block] == FILLED[skip:].tolist()
    assert channel.gap_rows() == N_GAPS
    stretches = [*channel.stretches()]
    assert sum(len(block) for block in stretches if isinstance(block, np.ndarray)) == 900


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", ["drop", "mean"])
def test_hosts_divide_the_rows(make_channel: MakeChannel, folder: Path, kind: str, missing: str) -> None:
    told, hosts = write(folder, kind), ("algo-1", "algo-2", "algo-3")
    expected = KEPT if missing == "drop" else FILLED
    parts = [
        make_channel(
            mini_batch_size=100,
            missing=missing,
            coordinates=Coordinates(fills=MEANS if missing == "mean" else None),
            place=HostPlace(rank, hosts),
            **told,
        )
        for rank in range(3)
    ]
    batches = [rows_of(part) for part in parts]
    together = [batches[turn % 3][turn // 3] for turn in range(-(-len(expected) // 100))]
    np.testing.assert_array_equal(np.concatenate(together), expected)
    counts = [part.gap_rows() for part in parts]
    assert (max(counts) if missing == "drop" else sum(counts)) == N_GAPS


@pytest.mark.parametrize("kind", KINDS)
def test_refused_without_a_word(make_channel: MakeChannel, folder: Path, kind: str) -> None:
    with pytest.raises(CustomerError, match=r"expected a number|Found missing"):
        rows_of(make_channel(**write(folder, kind)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n" * 100 + "1,x,\n", "record 101, column 1: expected a number, got 'x'"),
        ("1,,3\n" * 100 + "1,inf,\n", "record 101, column 1: expected a finite number, got inf"),
        ("1,,3\n" * 100 + "1,\n", "record 101: expected 3 columns, got 2"),
        ("1,,3\n" * 100 + "\n1,2,3\n", "record 101: expected 3 columns, got an empty line"),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_other_cells_are_refused(
    make_channel: MakeChannel, folder: Path, text: str, message: str, threads: int
) -> None:
    (folder / "rows.csv").write_text(text)
    with pytest.raises(CustomerError) as caught:
        rows_of(make_channel(content_type=CSV, label_size=0, missing="drop", threads=threads))
    assert message in str(caught.value)


def test_one_column(make_channel: MakeChannel, folder: Path) -> None:
    (folder / "rows.csv").write_text('1\n""\n' * 100 + "NA\n2\n")
    channel = make_channel(1, 300, content_type=CSV, label_size=0, missing="drop")
    assert rows_of(channel) == [[[1]] * 100 + [[2]]]


def test_no_row_is_whole(make_channel: MakeChannel, folder: Path) -> None:
    (folder / "rows.csv").write_text("1,,3\n" * 7)
    with pytest.raises(CustomerError, match=r"got 1 files and no record in them but 7 with missing numbers"):
        rows_of(make_channel(content_type=CSV, label_size=0, missing="drop"))
