"""Channels of CSV that gzip has compressed."""

import gzip
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from container.channels.csv_reader import CSVReader
from container.configuration.channels import CSV
from container.errors import CustomerError
from container.formats.columns import Selection
from tests.container.channels.conftest import MakeChannel, feeding, rows_of

ROWS = np.random.default_rng(0).integers(1000, size=(3000, 3)).astype(np.float32)


def lines(rows: np.ndarray) -> bytes:
    return b"".join(b"%d,%d,%d\n" % tuple(row) for row in rows)


@pytest.mark.parametrize("mode", ["File", "FastFile"])
@pytest.mark.parametrize("threads", [1, 3])
def test_rows(
    make_channel: MakeChannel, folder: Path, monkeypatch: pytest.MonkeyPatch, mode: str, threads: int
) -> None:
    monkeypatch.setattr(CSVReader, "piece_bytes", 1 << 10)
    # Several members, as `cat a.gz b.gz` makes them, and a plain file next to it; the names of files don't matter.
    members = [gzip.compress(lines(part)) for part in np.array_split(ROWS[:2000], 3)]
    (folder / "a").write_bytes(b"".join(members))
    (folder / "b.csv.gz").write_bytes(lines(ROWS[2000:2500]))
    (folder / "c.csv").write_bytes(gzip.compress(lines(ROWS[2500:])))
    (folder / "d.csv.gz").write_bytes(gzip.compress(b""))
    channel = make_channel(content_type=CSV, mini_batch_size=700, mode=mode, threads=threads)
    for _ in range(2):
        assert np.concatenate(rows_of(channel)).tolist() == ROWS.tolist()
        assert channel.bytes_read == sum(path.stat().st_size for path in channel.files())
    for skip in (1, 1999, 2700):
        assert np.concatenate(list(channel.blocks(skip))).tolist() == ROWS[skip:].tolist()
    drawn, records = channel.sample(50, np.random.default_rng(1))
    expected = np.sort(np.random.default_rng(1).choice(3000, 50, replace=False, shuffle=False))
    assert (drawn.tolist(), records) == (ROWS[expected].tolist(), 3000)


def test_headers_and_ids(make_channel: MakeChannel, folder: Path) -> None:
    (folder / "rows.csv.gz").write_bytes(gzip.compress(b"id,a,b\nx,1,2\ny,,4\n"))
    selection = Selection(("b", "a"), "id")
    channel = make_channel(2, content_type=CSV, header=True, selection=selection, missing="drop")
    assert channel.feature_names() == ("b", "a")
    assert rows_of(channel) == [[[2.0, 1.0]]]
    assert next(channel.file_ids(folder / "rows.csv.gz")).to_pylist() == ["x", "y"]


@pytest.mark.parametrize("threads", [1, 3])
def test_what_is_wrong_is_named(
    make_channel: MakeChannel, folder: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(CSVReader, "piece_bytes", 1 << 10)
    whole = gzip.compress(lines(ROWS), mtime=0)
    damaged = bytearray(whole)
    damaged[-6] ^= 1
    for content, message in (
        (whole[:-8], "record 3001: expected gzip, got a broken file: Compressed file ended before"),
        (bytes(damaged), "record 3001: expected gzip, got a broken file: CRC check failed"),
        (whole[:5], "record 1: expected gzip, got a broken file: Compressed file ended before"),
        (b"\x1f\x8b\x07" + whole, "record 1: expected gzip, got a broken file: Unknown compression method"),
        (gzip.compress(lines(ROWS[:900]) + b"1,x,2\n" + lines(ROWS)), "record 901, column 1: expected a number, got"),
        (gzip.compress(whole), "record 1: expected CSV, got gzip: unpack it with gunzip"),
        (gzip.compress(b"PK\x03\x04"), "record 1: expected CSV, got a ZIP archive"),
    ):
        (folder / "rows.csv.gz").write_bytes(content)
        with pytest.raises(CustomerError) as caught:
            rows_of(make_channel(content_type=CSV, mini_batch_size=5000, threads=threads))
        assert f"(train/rows.csv.gz, {message}" in str(caught.value)


def test_memory_does_not_depend_on_the_size(make_channel: MakeChannel, folder: Path) -> None:
    """A hundred thousand bytes become twenty million."""
    with gzip.open(folder / "rows.csv.gz", "wb", compresslevel=1) as file:
        for _ in range(20):
            file.write(b"0,0,0\n" * 170_000)
    assert (folder / "rows.csv.gz").stat().st_size < 1 << 18
    channel = make_channel(content_type=CSV, mini_batch_size=10_000, threaded=False)
    tracemalloc.start()
    try:
        assert sum(len(block) for block in channel.blocks()) == 3_400_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20


def test_a_pipe_says_who_unpacks_it(make_channel: MakeChannel, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train_0")
    channel = make_channel(content_type=CSV, mode="Pipe")
    with feeding(tmp_path / "train_0") as fifo:
        writer = threading.Thread(target=fifo.write, args=(gzip.compress(lines(ROWS)),))
        writer.start()
        with pytest.raises(
            CustomerError, match=r"got gzip: SageMaker unpacks it if the channel's CompressionType is G"
        ):
            rows_of(channel)
        writer.join()
