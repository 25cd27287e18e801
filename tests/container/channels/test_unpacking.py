"""Packed rows that the threads of a host among several read together: they are those of blocks."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from container.hosts.place import HostPlace
from container.precision.coordinates import PLAIN, Coordinates
from kmeans.kernels.jit import INTERPRETED
from kmeans.packed_rows import PackedRows
from kmeans.points import parts
from kmeans.source import Stretch
from kmeans.stream.unpacking import Unpacker
from kmeans.threads import Threads
from tests.container.channels.conftest import MakeChannel, dense
from tests.container.channels.test_stretches import labelled

SIZE = 50
SECOND = HostPlace(1, ("algo-1", "algo-2"))
COORDINATES = {
    "plain": PLAIN,
    "standardized": Coordinates(np.array([1e6, 2.0, -3.0]), np.array([0.5, 10.0, 3.0])),
    "unit": Coordinates(unit=True),
}


@pytest.mark.skipif(INTERPRETED, reason="packed rows are for machine code")
@pytest.mark.parametrize("n_threads", [2, 5])
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("odd", [(), (0,), (60, 61, 777), (1009,)])
def test_blocks_of_packed_rows_are_those_of_a_reading_thread(
    folder: Path, make_channel: MakeChannel, odd: tuple[int, ...], coordinates: str, n_threads: int
) -> None:
    rows = np.random.default_rng(0).normal(5, 100, (1010, 3)).astype(np.float32)
    records = [labelled(row, 1.0) if i in odd else dense(row[None]) for i, row in enumerate(rows)]
    for number, part in enumerate((slice(0, 730), slice(730, 790), slice(790, None))):
        (folder / f"{number}.pbr").write_bytes(b"".join(records[part]))
    choice = {
        "mini_batch_size": SIZE,
        "place": SECOND,
        "distribution": "ShardedByS3Key",
        "coordinates": COORDINATES[coordinates],
    }
    expected = [parts(block)[0].copy() for block in make_channel(**choice).blocks()]
    packed = 0

    def counted(stretches: Iterator[Stretch]) -> Iterator[Stretch]:
        nonlocal packed
        for stretch in stretches:
            packed += isinstance(stretch, PackedRows)
            yield stretch

    source = make_channel(**choice, threads=n_threads)
    with Threads(n_threads) as threads:
        unpacker = Unpacker(SIZE, 3, threads)
        found = [parts(block)[0].copy() for block in unpacker.blocks(counted(source.stretches()))]
        later = [parts(block)[0].copy() for block in unpacker.blocks(source.stretches(4 * SIZE))]
    assert packed
    assert list(map(len, found)) == list(map(len, expected)) == [SIZE] * 20 + [10]
    assert [block.tobytes() for block in found] == [block.tobytes() for block in expected]
    assert [block.tobytes() for block in later] == [block.tobytes() for block in expected[4:]]


def test_a_file_cut_short_is_an_error_there_too(folder: Path, make_channel: MakeChannel) -> None:
    whole = dense(np.ones((200, 3)))
    (folder / "rows.pbr").write_bytes(whole[:-1])
    source = make_channel(mini_batch_size=SIZE, place=SECOND, distribution="ShardedByS3Key", threads=2)
    with Threads(2) as threads, pytest.raises(Exception, match=r"rows\.pbr"):
        list(Unpacker(SIZE, 3, threads).blocks(source.stretches()))
