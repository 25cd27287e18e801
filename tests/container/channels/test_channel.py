import gzip
import os
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from container.channels.csv_reader import CSVReader
from container.channels.prefetch import MAX_GROUPS, MAX_TOGETHER
from container.channels.recordio_reader import RecordIOReader
from container.configuration.channels import CSV
from container.errors import CustomerError, PlatformError
from container.formats.recordio import records
from container.hosts.place import HostPlace
from container.logs.logger import LOGGER
from kmeans.kernels.jit import INTERPRETED
from kmeans.packed_rows import PackedRows
from tests.container.channels.conftest import CSV_LINES, ROWS, MakeChannel, dense, feeding, rows_of

ADVICE = "missing=mean or missing=drop trains on such rows or without them"


def write(folder: Path, content_type: str | None = None) -> None:
    """Write `ROWS` in files that begin and end anywhere, with empty ones between."""
    (folder / "sub").mkdir()
    for name, begin, end in (("a", 0, 1), ("b", 1, 1), ("c", 1, 9), ("sub/x", 9, 11), ("sub/y", 11, 11)):
        data = dense(ROWS[begin:end]) if content_type is None else b"".join(CSV_LINES[begin:end])
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("size", [1, 3, 4, 11, 12])
@pytest.mark.parametrize("content_type", [None, CSV])
@pytest.mark.parametrize(("mode", "threaded"), [("File", True), ("FastFile", True), ("File", False)])
def test_batches_are_full_across_files(
    folder: Path, make_channel: MakeChannel, size: int, content_type: str | None, mode: str, threaded: bool
) -> None:
    write(folder, content_type)
    options = {"mode": mode, "threaded": threaded, **({"content_type": CSV} if content_type else {})}
    source = make_channel(mini_batch_size=size, **options)
    assert source.rereadable
    for passes in (1, 2):
        assert rows_of(source) == [ROWS[i : i + size].tolist() for i in range(0, 11, size)]
        assert source.passes == passes
        assert source.records_read == 11
        assert source.bytes_read == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("content_type", [None, CSV])
@pytest.mark.parametrize("size", [1, 2, 4, 5, 20])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("threaded", [True, False])
def test_hosts_that_share_data_take_mini_batches_in_turns(
    folder: Path, make_channel: MakeChannel, size: int, content_type: str | None, count: int, threaded: bool
) -> None:
    write(folder, content_type)
    batches = [ROWS[i : i + size].tolist() for i in range(0, 11, size)]
    options = {"mini_batch_size": size, "threaded": threaded, **({"content_type": CSV} if content_type else {})}
    hosts = tuple(f"algo-{number}" for number in range(1, count + 1))
    for rank in range(count):
        source = make_channel(place=HostPlace(rank, hosts), **options)
        assert source.shared == (count > 1)
        assert rows_of(source) == batches[rank::count]
        own = [row for batch in batches[rank::count] for row in batch]
        assert source.records_read == len(own)
        for skip in range(len(own) + 1):
            assert [row for block in source.blocks(skip) for row in block.tolist()] == own[skip:]


def test_hosts_with_shards_of_their_own_read_all_of_it_and_may_have_none(
    folder: Path, make_channel: MakeChannel
) -> None:
    source = make_channel(place=HostPlace(1, ("algo-1", "algo-2")), distribution="ShardedByS3Key")
    assert rows_of(source) == []
    assert source.sample(5, np.random.default_rng(0))[1] == 0
    write(folder)
    assert not source.shared
    assert rows_of(source) == [ROWS[i : i + 4].tolist() for i in range(0, 11, 4)]


def test_blocks_are_read_ahead_without_a_thread(
    folder: Path, make_channel: MakeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder)
    # A row is a piece.
    monkeypatch.setattr("container.channels.channel.INTERLEAVED_ROW_BYTES", 12)
    source = make_channel(threaded=False)
    assert not source.read_ahead()
    blocks = source.blocks()
    first = next(blocks)
    for n_rows in (5, 6, 7):
        assert source.read_ahead()
        assert source.records_read == n_rows
    while source.read_ahead():
        pass
    assert source.records_read == 11
    assert first.tolist() == ROWS[:4].tolist()
    assert [block.tolist() for block in blocks] == [ROWS[4:8].tolist(), ROWS[8:].tolist()]
    assert not source.read_ahead()


def test_data_from_the_network_are_always_read_by_a_thread(folder: Path, make_channel: MakeChannel) -> None:
    write(folder)
    source = make_channel(mode="FastFile", threaded=False)
    blocks = source.blocks()
    next(blocks)
    assert not source.read_ahead()
    os.mkfifo(folder.with_name("train_0"))
    source = make_channel(mode="Pipe", threaded=False)
    with feeding(folder.with_name("train_0")) as fifo:
        fifo.write(dense(ROWS[:4]))
        blocks = source.blocks()
        next(blocks)
        assert not source.read_ahead()


def test_batches_reuse_their_memory(folder: Path, make_channel: MakeChannel) -> None:
    write(folder)
    places = {batch.ctypes.data for batch in make_channel(mini_batch_size=2).blocks()}
    assert len(places) <= MAX_GROUPS * MAX_TOGETHER
    assert all(batch.flags.c_contiguous and batch.dtype == np.float32 for batch in make_channel().blocks())


def test_a_pass_that_is_left_early(folder: Path, make_channel: MakeChannel) -> None:
    write(folder)
    source = make_channel()
    next(iter(source.blocks()))
    assert len(rows_of(source)) == 3


def test_no_data(tmp_path: Path, make_channel: MakeChannel) -> None:
    steps: tuple[Callable[[], object], ...] = (
        lambda: None,
        (tmp_path / "train").mkdir,
        (tmp_path / "train" / "x").touch,
    )
    for prepare in steps:
        prepare()
        calls: tuple[Callable[[], object], ...] = (
            lambda: rows_of(make_channel()),
            lambda: make_channel().sample(1, np.random.default_rng(0)),
        )
        for call in calls:
            with pytest.raises(CustomerError, match=r"data channel 'train'.*expected data, got [01] files and no reco"):
                call()


def test_what_is_no_data_is_named_once_and_where_nothing_else_came(
    folder: Path, make_channel: MakeChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", LOGGER.name)
    (folder / "manifest").write_text('{"entries": []}')
    (folder / "sub").mkdir()
    (folder / "sub/x.csv.metadata").touch()
    said = "'manifest', 'sub/x.csv.metadata'"
    with pytest.raises(CustomerError, match=rf"got 0 files and no record in them; skipped as no data: {said}\)"):
        rows_of(make_channel())
    (folder / "x").write_bytes(dense(ROWS))
    caplog.clear()
    source = make_channel(mini_batch_size=11)
    for _ in range(2):
        assert source.sample(11, np.random.default_rng(0))[1] == 11
        assert rows_of(source) == [ROWS.tolist()]
    assert caplog.messages == [f"channel train: skipped 2 files or folders that are no data: {said}"]


def test_an_unknown_content_type(make_channel: MakeChannel) -> None:
    with pytest.raises(CustomerError) as caught:
        make_channel(content_type="text/plain")
    assert str(caught.value) == (
        "Customer Error: Unable to read data channel 'train'. Requested content-type is 'text/plain'. Please verify the"
        " data matches the requested content-type. (supported are application/x-recordio-protobuf, text/csv,"
        " application/x-parquet and application/x-npy)"
    )


@pytest.mark.parametrize(
    ("data", "content_type", "message"),
    [
        (
            b"1,2,3\n1,,3\n",
            CSV,
            "Found missing (NaN) values. Please remove any missing (NaN) values in the input data."
            f" (train/sub/bad, record 2, column 1: expected a number, got an empty cell; {ADVICE})",
        ),
        (
            dense([[1.0, 2.0, 3.0], [1.0, np.nan, 3.0]]),
            None,
            "Found missing (NaN) values. Please remove any missing (NaN) values in the input data."
            f" (train/sub/bad, record 2, column 1: expected a number, got nan; {ADVICE})",
        ),
        (
            dense([[1, 2, np.inf]]),
            None,
            "Found infinite floating point values. Please remove any infinite floating point values in the input data."
            " (train/sub/bad, record 1, column 2: expected a finite number, got inf)",
        ),
        (
            b"1,2,abc\n",
            CSV,
            "Requested content-type is 'text/csv'. Please verify the data matches the requested content-type."
            " (train/sub/bad, record 1, column 2: expected a number, got 'abc')",
        ),
        (
            dense(ROWS)[:-1],
            None,
            "Requested content-type is 'application/x-recordio-protobuf'. Please verify the data matches the requested"
            " content-type. (train/sub/bad, record 11: expected 28 bytes after the frame header, got 27 and the end)",
        ),
        (
            gzip.compress(dense(ROWS), mtime=0),
            None,
            "Requested content-type is 'application/x-recordio-protobuf'. Please verify the data matches the requested"
            " content-type. (train/sub/bad, record 1: expected RecordIO, got gzip: unpack it with gunzip)",
        ),
        (
            dense(ROWS),
            CSV,
            "Requested content-type is 'text/csv'. Please verify the data matches the requested content-type."
            " (train/sub/bad, record 1: expected CSV, got RecordIO: its content type is"
            " application/x-recordio-protobuf)",
        ),
        (
            b"1,2,3\r" * 100,
            CSV,
            "Requested content-type is 'text/csv'. Please verify the data matches the requested content-type."
            " (train/sub/bad, record 1: expected lines that end in LF or CR LF, got CR alone: `tr '\\r' '\\n'` makes LF"
            " of it)",
        ),
    ],
)
def test_errors_name_file_and_record(
    folder: Path, make_channel: MakeChannel, data: bytes, content_type: str | None, message: str
) -> None:
    (folder / "sub").mkdir()
    (folder / "good").write_bytes(b"1,2,3\n" if content_type else dense(ROWS))
    (folder / "sub" / "bad").write_bytes(data)
    source = make_channel(**({"content_type": content_type} if content_type else {}))
    calls: tuple[Callable[[], object], ...] = (
        lambda: rows_of(source),
        lambda: source.sample(99, np.random.default_rng(0)),
    )
    for call in calls:
        with pytest.raises(CustomerError) as caught:
            call()
        assert str(caught.value).startswith(
            f"Customer Error: Unable to read data channel 'train'. {message} (caused by "
        )


def test_a_file_that_cannot_be_read(folder: Path, make_channel: MakeChannel) -> None:
    # Reading a process's memory from its beginning fails, for root too.
    (folder / "x").symlink_to("/proc/self/mem")
    with pytest.raises(PlatformError, match=r"^Platform Error: Unable to read data channel 'train'\. \(train/x: "):
        rows_of(make_channel())


@pytest.mark.parametrize("kind", ["uniform", "varied", "csv"])
def test_samples_are_uniform(folder: Path, make_channel: MakeChannel, kind: str) -> None:
    write(folder, CSV if kind == "csv" else None)
    if kind == "varied":
        (folder / "a").write_bytes(long_record(ROWS[0]) + dense(ROWS[1:2]))
        (folder / "c").write_bytes(dense(ROWS[2:9]))
    source = make_channel(**({"content_type": CSV} if kind == "csv" else {}))
    counts: Counter[float] = Counter()
    draws = 300
    for seed in range(draws):
        sample, records = source.sample(4, np.random.default_rng(seed))
        assert records == 11
        check_sample(sample, 4)
        counts.update(sample[:, 0].tolist())
    expected = draws * 4 / 11
    assert len(counts) == 11
    # Chi square with 10 degrees of freedom exceeds 29.6 once in a thousand; the seeds are fixed.
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 29.6
    np.testing.assert_array_equal(source.sample(99, np.random.default_rng(0))[0], ROWS)
    assert source.sample(0, np.random.default_rng(0))[0].shape == (0, 3)
    assert source.passes == 0


def check_sample(sample: np.ndarray, size: int) -> None:
    assert sample.shape == (size, 3)
    numbers = (sample[:, 0] / 3).astype(int)
    assert numbers.tolist() == sorted(set(numbers.tolist()))
    np.testing.assert_array_equal(sample, ROWS[numbers])


def test_a_sample_of_records_that_only_seem_to_be_alike(folder: Path, make_channel: MakeChannel) -> None:
    size = len(dense(ROWS[:1]))
    made = [records.dense_record(row) for row in ROWS]
    made[4].uid, made[5].metadata = "x" * 2, "x" * (2 * size - 6)
    data = records.encode(made)
    assert len(data) % size == 0
    assert len(data) // size > len(ROWS)
    (folder / "a").write_bytes(data)
    for seed in range(20):
        check_sample(make_channel().sample(6, np.random.default_rng(seed))[0], 6)
    np.testing.assert_array_equal(make_channel().sample(99, np.random.default_rng(0))[0], ROWS)


def long_record(row: np.ndarray) -> bytes:
    record = records.dense_record(row)
    record.metadata = "a longer one"
    return records.encode([record])


def test_a_sample_is_that_of_its_seed(folder: Path, make_channel: MakeChannel) -> None:
    write(folder)
    first, again, other = (make_channel().sample(3, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_labels_of_csv(folder: Path, make_channel: MakeChannel) -> None:
    (folder / "a").write_bytes(b"".join(b"y," + line for line in CSV_LINES))
    for label_size in (None, 1):
        source = make_channel(content_type=CSV, label_size=label_size)
        assert rows_of(source) == [ROWS[i : i + 4].tolist() for i in range(0, 11, 4)]


@pytest.mark.parametrize("content_type", [None, CSV])
def test_memory_does_not_grow_with_the_channel(
    folder: Path, make_channel: MakeChannel, monkeypatch: pytest.MonkeyPatch, content_type: str | None
) -> None:
    monkeypatch.setattr(RecordIOReader, "window_bytes", 4096)
    monkeypatch.setattr(CSVReader, "window_bytes", 4096)

    def peak(n: int) -> int:
        (folder / "a").write_bytes((CSV_LINES[10] * 4 if content_type else dense(ROWS[:1])) * n)
        source = make_channel(**({"content_type": content_type} if content_type else {}))
        tracemalloc.start()
        try:
            assert sum(map(len, source.blocks())) in (n, 4 * n)
            source.sample(5, np.random.default_rng(0))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    sizes = 500, 5000
    first, last = map(peak, sizes)
    assert (folder / "a").stat().st_size > 150_000
    assert last - first < 10_000


@pytest.mark.skipif(INTERPRETED, reason="packed rows are taken by machine code alone")
@pytest.mark.parametrize(("size", "packed"), [(4, True), (5, False)])
def test_mini_batches_larger_than_a_block_come_in_blocks(
    folder: Path, make_channel: MakeChannel, monkeypatch: pytest.MonkeyPatch, size: int, *, packed: bool
) -> None:
    monkeypatch.setattr("container.channels.channel.BLOCK_BYTES", 4 * ROWS[:4].size)
    (folder / "a").write_bytes(dense(ROWS))
    stretches = make_channel(mini_batch_size=size).stretches()
    assert isinstance(next(stretches), PackedRows) == packed
    # None of it was taken.
    rows = [row.tolist() for stretch in stretches if isinstance(stretch, np.ndarray) for row in stretch]
    assert rows == ROWS.tolist()[0 if packed else 4 :]
