"""Sources that give rows relative to an origin, which is chosen by the first of them."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container.configuration.channels import CSV, RECORDIO
from container.errors import CustomerError
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.records import encode
from container.precision.coordinates import PLAIN, Coordinates
from container.stopping import Stop
from kmeans.source import GivenUpError
from tests.container.channels.conftest import MakeChannel, dense, feeding
from tests.container.channels.test_pipes import writing

Doubles = NDArray[np.float64]

ROWS = np.column_stack([1.7e9 + np.arange(500), np.arange(500) / 8, np.arange(500) % 3])
ORIGIN = np.array([1.7e9, 0, 0], np.float32)
RELATIVE = (ROWS - ORIGIN).astype(np.float32)


def exact(rows: Doubles, content_type: str) -> bytes:
    if content_type == CSV:
        return "".join(f"{','.join(map(repr, row))}\n" for row in rows.tolist()).encode()
    messages = [Record() for _ in rows]
    for message, row in zip(messages, rows.tolist(), strict=True):
        message.features["values"].float64_tensor.values.extend(row)
    return encode(messages)


class Chosen:
    """Chooses an origin, and keeps the rows that it was shown."""

    def __init__(self, coordinates: Coordinates = Coordinates(ORIGIN.astype(np.float64))) -> None:  # noqa: B008
        self.coordinates = coordinates
        self.shown: list[Doubles] = []

    def __call__(self, rows: Doubles, n_represented: int, weights: Doubles | None) -> Coordinates:
        assert n_represented >= len(rows)
        assert weights is None
        self.shown.append(rows.copy())
        return self.coordinates


@pytest.mark.parametrize("content_type", [RECORDIO, CSV])
@pytest.mark.parametrize("threaded", [True, False])
def test_all_rows_that_are_given_are_relative(
    folder: Path, make_channel: MakeChannel, content_type: str, threaded: bool
) -> None:
    (folder / "a").write_bytes(exact(ROWS[:300], content_type))
    (folder / "b").write_bytes(exact(ROWS[300:], content_type))
    source = make_channel(content_type=content_type, mini_batch_size=64, threaded=threaded)
    chosen = Chosen()
    source.choose_coordinates_by(chosen)
    drawn, records = source.sample(50, np.random.default_rng(0))
    assert records == len(ROWS)
    assert drawn.dtype == np.float32
    (shown,) = chosen.shown
    np.testing.assert_array_equal(shown[:, 0] - ORIGIN[0], drawn[:, 0])
    assert set(map(bytes, drawn)) <= set(map(bytes, RELATIVE))
    np.testing.assert_array_equal(np.concatenate([block.copy() for block in source.blocks()]), RELATIVE)
    np.testing.assert_array_equal(np.concatenate([block.copy() for block in source.blocks(128)]), RELATIVE[128:])
    blocks = [block.copy() for path in source.files() for block in source.file_blocks(path)]
    np.testing.assert_array_equal(np.concatenate(blocks), RELATIVE)
    assert source.relative(ROWS[:1]).tolist() == [[0, 0, 0]]
    assert len(chosen.shown) == 1


@pytest.mark.parametrize("content_type", [RECORDIO, CSV])
def test_wide_rows_are_read_in_pieces(folder: Path, make_channel: MakeChannel, content_type: str) -> None:
    rows = 1.7e9 + np.arange(90_000.0).reshape(3, 30_000)
    (folder / "a").write_bytes(exact(rows, content_type))
    coordinates = Coordinates(np.full(30_000, 1.7e9, np.float32))
    source = make_channel(30_000, content_type=content_type, coordinates=coordinates)
    assert next(source.blocks()).tolist() == (rows - 1.7e9).tolist()


@pytest.mark.parametrize("content_type", [RECORDIO, CSV])
@pytest.mark.parametrize("piece", [7, 1 << 20])
def test_the_first_rows_of_a_pipe_are_shown_and_then_given(
    tmp_path: Path, make_channel: MakeChannel, content_type: str, piece: int
) -> None:
    source = make_channel(mode="Pipe", content_type=content_type, mini_batch_size=64)
    chosen = Chosen()
    source.choose_coordinates_by(chosen)
    data = exact(ROWS, content_type)
    for number in range(2):
        with writing(tmp_path / f"train_{number}", data, piece):
            np.testing.assert_array_equal(np.concatenate([block.copy() for block in source.blocks()]), RELATIVE)
        assert source.bytes_read == len(data)
    (shown,) = chosen.shown
    assert len(shown) >= 100
    np.testing.assert_array_equal(shown, ROWS[: len(shown)])


@pytest.mark.parametrize("content_type", [RECORDIO, CSV])
def test_a_fault_in_a_row_is_reported_when_it_is_read(
    tmp_path: Path, make_channel: MakeChannel, content_type: str
) -> None:
    source = make_channel(mode="Pipe", content_type=content_type)
    chosen = Chosen()
    source.choose_coordinates_by(chosen)
    rows = ROWS[:20].copy()
    rows[10, 1] = np.nan
    with (
        writing(tmp_path / "train_0", exact(rows, content_type), 100),
        pytest.raises(CustomerError, match=r"train_0, record 11, column 1: expected a number, got nan"),
    ):
        list(source.blocks())
    assert len(chosen.shown) == 1


def test_a_pipe_of_nothing_shows_no_rows(tmp_path: Path, make_channel: MakeChannel) -> None:
    source = make_channel(mode="Pipe")
    chosen = Chosen(PLAIN)
    source.choose_coordinates_by(chosen)
    with writing(tmp_path / "train_0", b"", 1), pytest.raises(CustomerError, match="no record"):
        list(source.blocks())
    assert [rows.shape for rows in chosen.shown] == [(0, 3)]


def test_a_job_that_is_stopping_makes_do_with_the_rows_that_came(folder: Path, make_channel: MakeChannel) -> None:
    stop = Stop()
    os.mkfifo(folder.with_name("train_0"))
    source = make_channel(mode="Pipe", stop=stop)
    chosen = Chosen(PLAIN)
    source.choose_coordinates_by(chosen)
    with feeding(folder.with_name("train_0")) as fifo:
        fifo.write(dense(ROWS[:4]))
        fifo.flush()
        stop.request("SIGTERM")
        assert [block.tolist() for block in source.blocks()] == [ROWS[:4].astype(np.float32).tolist()]
    assert [len(rows) for rows in chosen.shown] == [4]


def test_a_stopping_job_without_a_pipe_shows_no_rows(folder: Path, make_channel: MakeChannel) -> None:
    stop = Stop()
    stop.request("SIGTERM")
    source = make_channel(mode="Pipe", stop=stop)
    chosen = Chosen(PLAIN)
    source.choose_coordinates_by(chosen)
    assert list(source.blocks()) == []
    assert [len(rows) for rows in chosen.shown] == [0]


def test_a_draw_that_is_stopped_has_no_rows(folder: Path, make_channel: MakeChannel) -> None:
    """Hosts choose together: one that can't draw takes part."""
    (folder / "a").write_bytes(exact(ROWS, CSV))
    stop = Stop(grace_seconds=0)
    stop.request("SIGTERM")
    source = make_channel(content_type=CSV, stop=stop)
    chosen = Chosen(PLAIN)
    source.choose_coordinates_by(chosen)
    with pytest.raises(GivenUpError):
        source.sample(5, np.random.default_rng(0))
    assert [rows.shape for rows in chosen.shown] == [(0, 3)]
