"""Sources in Pipe mode."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from container.configuration.channels import CSV
from container.errors import AlgorithmError, CustomerError, PlatformError
from container.stopping import Stop
from tests.container.channels.conftest import CSV_LINES, ROWS, MakeChannel, dense, feeding, rows_of


def test_a_silent_pipe_is_abandoned_when_the_job_is_stopping(folder: Path, make_channel: MakeChannel) -> None:
    stop = Stop()
    os.mkfifo(folder.with_name("train_0"))
    source = make_channel(mode="Pipe", stop=stop)
    with feeding(folder.with_name("train_0")) as fifo:
        fifo.write(dense(ROWS[:4]))
        fifo.flush()
        blocks = source.blocks()
        assert next(blocks).tolist() == ROWS[:4].tolist()
        stop.request("SIGTERM")
        assert list(blocks) == []


@contextmanager
def writing(path: Path, data: bytes, piece: int) -> Iterator[None]:
    """Make a FIFO and write to it from another thread; the reader may leave."""

    def write() -> None:
        with path.open("wb", buffering=0) as stream:
            try:
                for i in range(0, len(data), piece):
                    stream.write(data[i : i + piece])
            except BrokenPipeError:
                pass

    os.mkfifo(path)
    thread = threading.Thread(target=write)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize("content_type", [None, CSV])
def test_pipe_mode(tmp_path: Path, make_channel: MakeChannel, content_type: str | None) -> None:
    source = make_channel(mode="Pipe", **({"content_type": content_type} if content_type else {}))
    assert not source.rereadable
    for number in range(2):
        rows = ROWS + number
        data = b"".join(b"%d,%d,%d\n" % tuple(row) for row in rows) if content_type else dense(rows)
        with writing(tmp_path / f"train_{number}", data, 7):
            assert rows_of(source) == [rows[i : i + 4].tolist() for i in range(0, 11, 4)]
        assert source.bytes_read == len(data)
    with pytest.raises(AlgorithmError, match="comes through a pipe"):
        source.sample(1, np.random.default_rng(0))


def test_pipe_mode_waits_for_the_fifo(tmp_path: Path, make_channel: MakeChannel) -> None:
    batches: list[list[list[float]]] = []
    reader = threading.Thread(target=lambda: batches.extend(rows_of(make_channel(mode="Pipe"))))
    reader.start()
    with writing(tmp_path / "train_0", dense(ROWS), 1000):
        reader.join(60)
    assert sum(map(len, batches)) == 11


@pytest.mark.parametrize("content_type", [None, CSV])
def test_rows_do_not_wait_for_those_that_follow(
    tmp_path: Path, make_channel: MakeChannel, content_type: str | None
) -> None:
    data = b"".join(CSV_LINES) if content_type else dense(ROWS)
    may_go_on = threading.Event()
    told: list[bool] = []

    def write() -> None:
        with (tmp_path / "train_0").open("wb", buffering=0) as stream:
            stream.write(data)
            told.append(may_go_on.wait(20))
            stream.write(data)

    os.mkfifo(tmp_path / "train_0")
    writer = threading.Thread(target=write)
    writer.start()
    batches = make_channel(mode="Pipe", **({"content_type": content_type} if content_type else {})).blocks()
    assert [next(batches).tolist(), next(batches).tolist()] == [ROWS[:4].tolist(), ROWS[4:8].tolist()]
    may_go_on.set()
    assert sum(map(len, batches)) == 14
    writer.join(60)
    assert told == [True]


def test_a_pipe_that_is_left_early(tmp_path: Path, make_channel: MakeChannel) -> None:
    source = make_channel(mode="Pipe")
    with writing(tmp_path / "train_0", dense(np.zeros((200_000, 3))), 65536):
        batches = source.blocks()
        next(batches)
        batches.close()  # type: ignore[attr-defined] # batches are a generator
    with writing(tmp_path / "train_1", dense(ROWS), 100):
        assert len(rows_of(source)) == 3


def test_pipe_mode_errors(tmp_path: Path, make_channel: MakeChannel) -> None:
    with pytest.raises(PlatformError, match=r"train_0: expected a FIFO within 0 seconds, none came"):
        rows_of(make_channel(mode="Pipe", fifo_timeout_seconds=0))
    with writing(tmp_path / "train_0", dense(ROWS)[:-4], 100), pytest.raises(CustomerError, match="train_0, record 11"):
        rows_of(make_channel(mode="Pipe"))
    (tmp_path / "train_0").unlink()
    with writing(tmp_path / "train_0", b"", 1), pytest.raises(CustomerError, match="got 1 files and no record"):
        rows_of(make_channel(mode="Pipe"))
