"""Many mini-batches at a time: whatever is taken of what lies in a file, the rows are those of `blocks`."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from container.channels.channel import Channel
from container.configuration.channels import CSV
from container.errors import CustomerError
from container.formats.recordio.records import dense_record, encode
from container.hosts.place import HostPlace
from kmeans.kernels.jit import INTERPRETED
from kmeans.packed_rows import PackedRows
from kmeans.points import parts
from kmeans.types import FloatArray
from tests.container.channels.conftest import MakeChannel, dense

SIZE = 4
Taking = Callable[[int], int]
TAKINGS: dict[str, Taking] = {
    "all": lambda there: there,
    "none": lambda _: 0,
    "a mini-batch": lambda _: SIZE,
    "half": lambda there: there // 2 // SIZE * SIZE,
}


def numbered(n: int, d: int = 3) -> FloatArray:
    return np.arange(n * d, dtype=np.float32).reshape(n, d)


def labelled(row: FloatArray, label: float) -> bytes:
    record = dense_record(row)
    record.label["values"].float32_tensor.values.append(label)
    return encode([record])


def taken(source: Channel, taking: Taking = lambda there: there, skip: int = 0) -> tuple[list[list[float]], int]:
    """Read one pass as a single host does; return the rows, and how many of them lay in files."""
    rows: list[list[float]] = []
    in_files = 0
    for stretch in source.stretches(skip):
        if not isinstance(stretch, PackedRows):
            rows += parts(stretch)[0].tolist()
            continue
        assert stretch.n_rows % SIZE == 0
        count = taking(stretch.n_rows)
        for number in range(count):
            record = os.pread(stretch.file, stretch.stride, stretch.begin + number * stretch.stride)
            assert record.startswith(stretch.head)
            rows.append(np.frombuffer(record, np.float32, 3, len(stretch.head)).tolist())
        stretch.take(count)
        in_files += count
    return rows, in_files


@pytest.mark.skipif(INTERPRETED, reason="packed rows are for machine code")
@pytest.mark.parametrize("threaded", [True, False])
@pytest.mark.parametrize("taking", TAKINGS)
@pytest.mark.parametrize("sizes", [(37,), (3, 5, 1, 30, 0, 9), (4, 4), (1,), (8, 3)])
def test_rows_in_files_are_those_of_blocks(
    folder: Path, make_channel: MakeChannel, sizes: tuple[int, ...], taking: str, threaded: bool
) -> None:
    rows = numbered(sum(sizes))
    for number, part in enumerate(np.split(rows, np.cumsum(sizes)[:-1])):
        (folder / f"{number}.pbr").write_bytes(dense(part))
    source = make_channel(mini_batch_size=SIZE, threaded=threaded)
    found, in_files = taken(source, TAKINGS[taking])
    assert found == rows.tolist()
    if taking in ("all", "a mini-batch") and sizes[0] >= SIZE:
        assert in_files >= SIZE
    assert source.records_read == len(rows)
    assert source.bytes_read == sum(path.stat().st_size for path in folder.iterdir())
    for skip in range(0, len(rows), SIZE):
        assert taken(source, TAKINGS[taking], skip)[0] == rows[skip:].tolist()


@pytest.mark.parametrize("odd", [[0], [5], [36], [3, 4, 20]])
def test_a_record_of_another_length_is_met_in_a_block(folder: Path, make_channel: MakeChannel, odd: list[int]) -> None:
    """Where records are not alike any more, only those before may be taken: what follows lies elsewhere."""
    rows = numbered(37)
    records = [labelled(row, 1.0) if number in odd else dense(row[None]) for number, row in enumerate(rows)]
    (folder / "rows.pbr").write_bytes(b"".join(records))

    def before_the_first_odd_one(source: Channel) -> Taking:
        return lambda there: max(0, min([there, *(o - source.records_read for o in odd if o >= source.records_read)]))

    source = make_channel(mini_batch_size=SIZE)
    whole = before_the_first_odd_one(source)
    assert taken(source, lambda there: whole(there) // SIZE * SIZE)[0] == rows.tolist()


def test_pipes_shared_rows_and_hosts_with_one_core_among_several_get_blocks(
    folder: Path, make_channel: MakeChannel
) -> None:
    (folder / "rows.pbr").write_bytes(dense(numbered(40)))
    two = HostPlace(0, ("algo-1", "algo-2"))
    shared = make_channel(place=two, threads=3, distribution="FullyReplicated")
    for source in (make_channel(place=two), shared, make_channel(mode="FastFile", threads=3)):
        assert all(isinstance(stretch, np.ndarray) and len(stretch) <= SIZE for stretch in source.stretches())


@pytest.mark.parametrize("threads", [1, 3])
def test_csv_is_read_in_blocks_of_many_mini_batches(folder: Path, make_channel: MakeChannel, threads: int) -> None:
    rows = numbered(10_001)
    lines = ["{:.0f},{:.0f},{:.0f}\n".format(*row) for row in rows]
    (folder / "a.csv").write_text("".join(lines[:777]))
    (folder / "b.csv").write_text("".join(lines[777:]))
    source = make_channel(mini_batch_size=SIZE, content_type=CSV, label_size=0, threads=threads)
    sizes = [len(np.asarray(stretch)) for stretch in source.stretches()]
    assert sizes == [10_001]
    assert taken(source)[0] == rows.tolist()
    for skip in (4, 5000, 10_000):
        assert taken(source, skip=skip)[0] == rows[skip:].tolist()
    small = make_channel(feature_dim=3, mini_batch_size=3000, content_type=CSV, label_size=0, threads=threads)
    assert taken(small)[0] == rows.tolist()


def test_a_fault_after_a_stretch_is_reported_with_its_number(folder: Path, make_channel: MakeChannel) -> None:
    rows = numbered(37)
    rows[33, 1] = np.nan
    (folder / "rows.pbr").write_bytes(dense(rows))
    source = make_channel(mini_batch_size=SIZE)
    with pytest.raises(CustomerError, match=r"rows\.pbr, record 34"):
        taken(source, lambda there: min(there, 32))
