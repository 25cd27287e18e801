"""CSV whose lines are decoded side by side, compared with a single reader; pieces are small here."""

import io
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import DTypeLike

from container.channels.csv_reader import CSVReader
from container.channels.team import Team
from container.configuration.files import CSV
from container.formats.csv.decode_kernel import WORD
from container.formats.csv.line_kernel import count_lines, piece
from container.formats.errors import FormatError
from kmeans.source import GivenUpError
from tests.container.channels.conftest import MakeChannel

COUNTS = (2, 3, 8)
TEAMS = {count: Team(count) for count in COUNTS}
LINES = [b"%d,%d.5,-%d" % (number, number * 7919 % 1000, number) for number in range(40)]
ROWS = np.array([list(map(float, line.split(b","))) for line in LINES], np.float32)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CSVReader, "piece_bytes", 64)


def padded(lines: list[bytes], size: int) -> bytes:
    """Return lines, enough for each read of a team to get all that it asks for."""
    data = b"\n".join(lines)
    return b" " * (-len(data) % size) + data


class Pieces(io.BytesIO):
    """Reads some bytes at a time, and then raises what ends it."""

    def __init__(self, data: bytes, size: int, end: Exception | None = None) -> None:
        super().__init__(data)
        self._size, self._end = size, end

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # narrower than any buffer
        count = super().readinto(buffer[: self._size])
        if not count and self._end:
            raise self._end
        return count


def outcome(
    stream: io.BytesIO,
    count: int,
    step: int = 1000,
    label_size: int | None = None,
    dtype: DTypeLike = np.float32,
) -> tuple[bytes, int, object]:
    """Return the rows, how many records and bytes were read, and the error there was in place of the rows."""
    reader = CSVReader(stream, 3, label_size, team=TEAMS.get(count))
    parts = []
    try:
        while True:
            out: Any = np.full((step, 3), -1, dtype)
            parts.append(out[: reader.read(out)])
            if len(parts[-1]) < step:
                assert reader.read(out) == 0
                return np.concatenate(parts).tobytes(), reader.records, reader.window.bytes_read
    except FormatError as error:
        return b"", 0, str(error)


def check(data: bytes, size: int = 1 << 20, **options: Any) -> tuple[bytes, int, object]:
    """Check that teams read what a reader alone reads, and return that."""
    alone = outcome(io.BytesIO(data), 1, **options)
    for count in COUNTS:
        assert outcome(Pieces(data, size), count, **options) == alone
    return alone


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("step", [1, 7, 39, 40, 1000])
@pytest.mark.parametrize("size", [1, 50, 1 << 20])
def test_all_rows(dtype: DTypeLike, step: int, size: int) -> None:
    for end in (b"\n", b"\r\n"):
        for data in (end.join(LINES), end.join([*LINES, b""]), end.join([*LINES, *[b""] * 300])):
            rows, records, bytes_read = check(data, size, step=step, dtype=dtype)
            assert rows == ROWS.astype(dtype).tobytes()
            assert (records, bytes_read) == (len(LINES), len(data))


@pytest.mark.parametrize("label_size", [None, 1])
def test_labels(label_size: int | None) -> None:
    data = b"".join(b"c%d,%s\n" % (number, line) for number, line in enumerate(LINES))
    assert check(data, label_size=label_size)[0] == ROWS.tobytes()


def test_lines_that_are_not_plain_are_among_others() -> None:
    for number in range(len(LINES)):
        for odd in (b'"%d",1,2', b"%d,1e0,\t2", b"%d,1.00000000000000000000000000001,2", b"%d," + b" " * 300 + b"1,2"):
            lines = [*LINES]
            lines[number] = odd % number
            assert check(b"\n".join(lines))[1] == len(lines)
    assert check(b"\xef\xbb\xbf" + b"\n".join(LINES))[0] == ROWS.tobytes()
    assert check(b"\n".join(b'"' + line.replace(b",", b'","') + b'"' for line in LINES))[0] == ROWS.tobytes()


@pytest.mark.parametrize("bad", [b"", b"1,2", b"1,2,3,4", b"1,x,3", b'1,"2,3', b"1,2,nan", b"1,2,1e39", b"1,2\r3,4"])
def test_an_error_in_any_piece_is_the_first_one(bad: bytes) -> None:
    for number in range(len(LINES)):
        lines = [*LINES]
        lines[number] = bad
        _, _, error = check(b"\n".join([*lines, b"1,2,3"]), label_size=0)
        assert str(error).startswith(f"record {number + 1}")
        # Later ones are not reported.
        lines[number + 1 :: 3] = [b"1,y,3"] * len(lines[number + 1 :: 3])
        assert check(b"\n".join([*lines, b"1,2,3"]), label_size=0)[2] == error


def test_borders_at_every_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b'1,2,3\r\n"4",5,6\n\t7,8, 9\n10,1e1,-12.25\n13,14,15\n16,17,18\r\n19,20,21'
    for size in range(WORD, len(data) + 2):
        monkeypatch.setattr(CSVReader, "piece_bytes", size)
        check(data)
        for some in range(size % 5, len(data), 5):
            check(data[:some] + b"\n", label_size=0)
            check(data, 1 + some)


@pytest.mark.parametrize("count", COUNTS)
def test_rows_that_came_wait_for_none_that_follow(count: int) -> None:
    data = padded([*LINES, b""], 2 * CSVReader.piece_bytes)
    for size in (1, 30, 1 << 20):
        reader = CSVReader(Pieces(data, size, AssertionError()), 3, 0, team=TEAMS[count])
        out = np.empty((len(LINES), 3), np.float32)
        assert reader.read(out) == len(LINES)
        np.testing.assert_array_equal(out, ROWS)


@pytest.mark.parametrize("count", COUNTS)
def test_an_error_that_came_waits_for_nothing(count: int) -> None:
    for size in (1, 30, 50, 1 << 20):
        for before in range(20):
            data = b"\n".join([*LINES[:before], b"1,x,3\n"])
            reader = CSVReader(Pieces(data, size, AssertionError()), 3, 0, team=TEAMS[count])
            with pytest.raises(FormatError, match=rf"^record {before + 1}, column 1: expected a number, got 'x'"):
                reader.read(np.empty((1000, 3), np.float32))


@pytest.mark.parametrize("error", [GivenUpError(), OSError(5, "Input/output error")])
@pytest.mark.parametrize("count", COUNTS)
def test_rows_before_an_error_of_the_stream_count(count: int, error: Exception) -> None:
    data = padded(LINES, 2 * CSVReader.piece_bytes)
    for size in (1, 30, 1 << 20):
        reader = CSVReader(Pieces(data, size, error), 3, 0, team=TEAMS[count])
        out = np.empty((1000, 3), np.float32)
        with pytest.raises(type(error)):
            reader.read(out)
        assert reader.records == len(LINES) - 1
        np.testing.assert_array_equal(out[: reader.records], ROWS[:-1])


def test_rows_after_skipped_ones() -> None:
    for count in COUNTS:
        reader = CSVReader(io.BytesIO(b"\n".join(LINES)), 3, None, team=TEAMS[count])
        out = np.empty((15, 3), np.float32)
        for begin in (0, 20):
            assert reader.read(out) == 15
            np.testing.assert_array_equal(out, ROWS[begin : begin + 15])
            assert reader.skip(5) == 5


def test_a_source_divides_many_rows_alone(
    folder: Path, make_channel: MakeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a").write_bytes(b"\n".join(LINES))
    begun: list[str] = []
    start = threading.Thread.start

    def note(thread: threading.Thread) -> None:
        begun.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", note)
    for size in (64, 1 << 19):
        monkeypatch.setattr(CSVReader, "piece_bytes", size)
        begun.clear()
        source = make_channel(mini_batch_size=40, content_type=CSV, threads=2)
        assert [block.tolist() for block in source.blocks()] == [ROWS.tolist()]
        assert any(name.startswith("decoder") for name in begun) == (size == 64)


def test_memory_does_not_grow_with_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CSVReader, "piece_bytes", 1 << 12)
    out = np.empty((50_000, 3), np.float32)

    def peak(times: int) -> int:
        reader = CSVReader(io.BytesIO((b"\n".join(LINES) + b"\n") * times), 3, 0, team=TEAMS[2])
        tracemalloc.start()
        assert reader.read(out) == times * len(LINES)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)
    # What is kept of each piece until all are decoded is small.
    pieces = 900 * len(LINES) * 16 // 4096
    assert peak(1000) - peak(100) < 2048 * pieces


texts = st.lists(st.sampled_from([b"\n", b"\r\n", b"1", b"2,3", b"\r"]), max_size=60).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(texts, st.integers(0, 80), st.integers(1, 20))
def test_a_piece_is_whole_lines(text: bytes, near: int, most: int) -> None:
    near = min(near, len(text))
    buffer = np.frombuffer(text + b"\n" * WORD, np.uint8).copy()
    with np.errstate(over="ignore"):
        lines, end = map(int, piece(buffer, 0, near, len(text), most))
    whole = text[:near].split(b"\n")[:-1][:most] or text.split(b"\n")[:-1][:1]
    while whole and not whole[-1].strip(b"\r"):
        whole.pop()
    assert (lines, end) == (len(whole), sum(len(line) + 1 for line in whole))


@given(st.binary(max_size=40), st.integers(0, 5000), st.integers(0, 9))
def test_line_feeds_are_counted(text: bytes, empty: int, begin: int) -> None:
    text = b"\n" * empty + text + b"\n" * 9
    with np.errstate(over="ignore"):
        count = int(count_lines(np.frombuffer(text, np.uint8).copy(), begin, len(text)))
    assert count == text.count(b"\n", begin)
