"""Data as other writers may have written them."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from numpy.typing import ArrayLike

from container.channels.channel import Channel
from container.channels.reading import Reading
from container.configuration.files import RECORDIO, ChannelConfiguration
from container.formats.columns import Selection
from container.formats.recordio import records, wire
from container.precision.coordinates import PLAIN, Coordinates
from container.stopping import Stop

MakeChannel = Callable[..., Channel]

ROWS = np.arange(33, dtype=np.float32).reshape(11, 3)
CSV_LINES = [b"%d,%d,%d\n" % tuple(row) for row in ROWS]


@pytest.fixture
def make_channel(tmp_path: Path) -> MakeChannel:
    """Return a function that makes a channel on the folder `tmp_path / "train"`."""

    def make(
        feature_dim: int = 3,
        mini_batch_size: int = 4,
        content_type: str = RECORDIO,
        label_size: int | None = None,
        mode: Any = "File",
        distribution: str = "FullyReplicated",
        stop: Stop | None = None,
        coordinates: Coordinates = PLAIN,
        header: bool = False,
        selection: Selection | None = None,
        missing: Any = "error",
        **reading: Any,
    ) -> Channel:
        path = tmp_path / "train"
        channel = ChannelConfiguration("train", content_type, label_size, mode, distribution, path, header)
        return Channel(
            channel,
            feature_dim,
            mini_batch_size,
            Reading(**reading),
            stop=stop,
            coordinates=coordinates,
            selection=selection,
            missing=missing,
        )

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the channel's folder."""
    path = tmp_path / "train"
    path.mkdir()
    return path


def dense(rows: ArrayLike) -> bytes:
    """Write rows as the SDK does."""
    return records.encode(map(records.dense_record, np.asarray(rows, np.float32)))


def rows_of(source: Channel) -> list[list[list[float]]]:
    """Read one pass: batches of rows."""
    return [batch.tolist() for batch in source.blocks()]


def part(flag: int, payload: bytes) -> bytes:
    """Write a frame with a flag."""
    return struct.pack("<II", wire.MAGIC, flag << 29 | len(payload)) + payload + bytes(-len(payload) % 4)


@contextmanager
def feeding(path: Path) -> Iterator[BinaryIO]:
    """Open a pipe whose reader may go away first."""
    # Reading and writing: opening does not wait for the reader.
    with path.open("r+b", buffering=0) as fifo:
        yield fifo
