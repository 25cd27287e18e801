"""Data as other writers may have written them."""

import struct
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
from numpy.typing import ArrayLike

from container.channels.channel import Channel
from container.channels.form import RecordForm
from container.channels.reading import Reading
from container.configuration.channels import RECORDIO, ChannelConfiguration
from container.formats.columns import Selection
from container.formats.recordio import records, wire
from container.precision.coordinates import PLAIN, Coordinates
from kmeans.types import FloatArray


class PlainChannel(Channel):
    """A channel of rows without weights."""

    def blocks(self, skip: int = 0) -> Iterator[FloatArray]:
        return cast(Iterator[FloatArray], super().blocks(skip))

    def file_blocks(self, path: Path) -> Generator[FloatArray, None, None]:
        return cast(Generator[FloatArray, None, None], super().file_blocks(path))

    def sample(self, size: int, rng: np.random.Generator) -> tuple[FloatArray, int]:
        return cast(tuple[FloatArray, int], super().sample(size, rng))


MakeChannel = Callable[..., PlainChannel]

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
        coordinates: Coordinates = PLAIN,
        header: bool = False,
        selection: Selection | None = None,
        missing: Any = "error",
        **reading: Any,
    ) -> PlainChannel:
        path = tmp_path / "train"
        channel = ChannelConfiguration("train", content_type, label_size, mode, distribution, path, header)
        form = RecordForm.of(channel, feature_dim, selection, missing)
        return PlainChannel(channel, form, mini_batch_size, Reading(**reading), coordinates=coordinates)

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


def rows_of(source: PlainChannel) -> list[list[list[float]]]:
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
