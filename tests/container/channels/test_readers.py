"""Both readers on streams, whose windows are small here, so that records lie across their borders."""

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.channels.csv_reader import CSVReader
from container.channels.reader import ByteReader, Reader
from container.channels.recordio_reader import RecordIOReader
from container.formats.errors import FormatError, IncompleteError
from container.formats.recordio import frames, records
from container.formats.recordio.record_pb2 import Record
from tests.container.channels.conftest import dense, part

ROWS = np.arange(30, dtype=np.float32).reshape(10, 3)
TEXT = b"".join(b"%d,%d,%d\n" % tuple(row) for row in ROWS)


HEADER = "a header line is not expected: the content type text/csv;header=present announces one"


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ByteReader, "window_bytes", 50)
    monkeypatch.setattr(CSVReader, "window_bytes", 20)


def recordio_reader(data: bytes) -> RecordIOReader:
    return RecordIOReader(io.BytesIO(data), 3, None)


def csv_reader(data: bytes, label_size: int | None = None) -> CSVReader:
    return CSVReader(io.BytesIO(data), 3, label_size)


def everything(reader: Reader, step: int = 4) -> np.ndarray:
    rows = []
    while True:
        out = np.full((step, 3), -1, np.float32)
        count = reader.read(out)
        rows.append(out[:count])
        if count < step:
            assert reader.read(out) == 0
            return np.concatenate(rows)


@pytest.mark.parametrize("step", [1, 4, 10, 11])
def test_all_rows(step: int) -> None:
    for reader in (recordio_reader(dense(ROWS)), csv_reader(TEXT), csv_reader(TEXT, 0), csv_reader(TEXT.rstrip())):
        np.testing.assert_array_equal(everything(reader, step), ROWS)
        assert reader.records == 10


@pytest.mark.parametrize("count", [0, 1, 7, 10, 11])
def test_rows_after_skipped_ones(count: int) -> None:
    for reader in (recordio_reader(dense(ROWS)), csv_reader(TEXT)):
        assert reader.skip(count) == min(count, 10)
        assert reader.records == min(count, 10)
        np.testing.assert_array_equal(everything(reader), ROWS[count:])


@given(st.sets(st.integers(0, 9)).map(sorted))
def test_picked_rows(numbers: list[int]) -> None:
    for reader in (recordio_reader(dense(ROWS)), csv_reader(TEXT)):
        out = np.empty((len(numbers), 3), np.float32)
        reader.pick(np.array(numbers, np.int64), out, guess=False)
        np.testing.assert_array_equal(out, ROWS[numbers])


def test_a_pick_after_the_end() -> None:
    for reader in (recordio_reader(dense(ROWS)), csv_reader(TEXT)):
        with pytest.raises(FormatError, match=r"^record 13: expected as many records as were counted, got the end$"):
            reader.pick(np.array([3, 12]), np.empty((2, 3), np.float32), guess=False)


def test_errors_of_picked_rows(tmp_path: Path) -> None:
    rows = ROWS.copy()
    rows[6, 1] = np.nan
    (tmp_path / "x").write_bytes(dense(rows))
    for guess in (True, False):
        with (tmp_path / "x").open("rb", buffering=0) as stream:
            reader = RecordIOReader(stream, 3, None)
            with pytest.raises(FormatError, match=r"^record 7, column 1: expected a number, got nan$"):
                reader.pick(np.array([3, 6]), np.empty((2, 3), np.float32), guess=guess)


def test_counts() -> None:
    for data in (b"", dense(ROWS), dense(ROWS[:1])):
        assert recordio_reader(data).count(guess=False) == len(data) // (len(dense(ROWS)) // 10)
    assert csv_reader(TEXT).count(guess=True) == 10
    assert csv_reader(b"").count(guess=True) == 0
    assert csv_reader(b"1,2,3\r\n4,5,6").count(guess=True) == 2
    assert csv_reader(b"1,2,3\n" + b"\r\n" * 50).count(guess=True) == 1
    assert csv_reader(b"\n" * 50).count(guess=True) == 0


def test_records_of_sparse_matrices() -> None:
    """Some are read by the kernel and some, which have a key twice, by the reference."""
    made = []
    for number in range(12):
        record = Record()
        tensor = record.features["values"].float32_tensor
        tensor.keys.extend([2, 0, 2] if number % 3 else [0, 2])
        tensor.values.extend([number, 1, 2**24] if number % 3 else [1, number + 2**24])
        tensor.shape.extend(([3], [1, 3], [])[number % 4 % 3])
        made.append(record)
    expected = [[1, 0, np.float32(2**24 + number)] for number in range(12)]
    np.testing.assert_array_equal(everything(recordio_reader(records.encode(made))), expected)


def test_split_records() -> None:
    magic = np.frombuffer(b"\x0a\x23\xd7\xce", np.float32)[0]
    row = np.array([1, magic, magic], np.float32)
    (payload,) = frames.split_frames(dense([row]))
    begin = payload.index(b"\x0a\x23\xd7\xce")
    # A writer splits at aligned magics; ours are not, but any cut before a magic reads the same.
    split = part(1, payload[:begin]) + part(2, b"") + part(3, payload[begin + 8 :])
    data = dense(ROWS[:1]) + split + dense(ROWS[1:2])
    expected = np.stack([ROWS[0], row, ROWS[1]])
    np.testing.assert_array_equal(everything(recordio_reader(data)), expected)
    np.testing.assert_array_equal(everything(recordio_reader(data), 1), expected)
    reader = recordio_reader(data)
    assert reader.skip(2) == 2
    np.testing.assert_array_equal(everything(reader), ROWS[1:2])
    assert recordio_reader(data).skip(9) == 3


def test_every_truncation_point() -> None:
    data = dense(ROWS[:4])
    size = len(data) // 4
    for end in range(len(data) + 1):
        whole = end // size
        if end % size == 0:
            np.testing.assert_array_equal(everything(recordio_reader(data[:end])), ROWS[:whole])
            assert recordio_reader(data[:end]).skip(9) == whole
            continue
        reader, skipper = recordio_reader(data[:end]), recordio_reader(data[:end])
        out = np.zeros((4, 3), np.float32)
        with pytest.raises(IncompleteError) as caught:
            reader.read(out)
        assert caught.value.record == whole + 1
        np.testing.assert_array_equal(out[:whole], ROWS[:whole])
        with pytest.raises(IncompleteError) as caught:
            skipper.skip(9)
        assert caught.value.record == whole + 1


def test_a_record_larger_than_the_window() -> None:
    rows = np.ones((3, 1000), np.float32)
    reader = RecordIOReader(io.BytesIO(dense(rows)), 1000, None)
    out = np.zeros_like(rows)
    assert reader.read(out) == 3
    np.testing.assert_array_equal(out, rows)
    text = b",".join([b"1"] * 1000)
    assert CSVReader(io.BytesIO(b"\n".join([text] * 3)), 1000, None).read(out) == 3


def test_a_length_that_lies_allocates_nothing() -> None:
    reader = recordio_reader(dense(ROWS[:1]) + part(0, b"")[:4] + b"\xff\xff\xff\x1f" + b"ab")
    with pytest.raises(FormatError, match=r"^record 2: expected 536870912 bytes after the frame header, got 2 and the"):
        everything(reader)
    assert len(reader.window.buffer) <= 100


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"12345678", "record 5: expected the RecordIO magic 0xCED7230A, got 0x34333231"),
        (part(3, b"ab"), "record 5: expected the beginning of a record, got the flag 3"),
        (part(1, b"ab"), "record 5: expected a frame header of 8 bytes, got 0 bytes and the end"),
        (part(0, b"\x0a"), "record 5: expected a protobuf Record message, got bytes that are none"),
        (part(0, b""), "record 5: expected a feature named 'values', got none"),
        (dense([[1, 2]]), "record 5: expected 3 values, got 2"),
        (dense([[1, 2, np.nan]]), "record 5, column 2: expected a number, got nan"),
        (dense([[1, -np.inf, 3]]), "record 5, column 1: expected a finite number, got -inf"),
    ],
)
def test_recordio_errors(data: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        everything(recordio_reader(dense(ROWS[:4]) + data))
    assert str(caught.value) == message


@given(st.integers(1, 9), st.integers(0, 30), st.booleans())
def test_csv_lines_are_counted_over_the_whole_stream(bad: int, blanks: int, is_crlf: bool) -> None:
    lines = TEXT.splitlines()
    end = b"\r\n" if is_crlf else b"\n"
    lines[bad] = b"1,x,3"
    with pytest.raises(FormatError, match=rf"^record {bad + 1}, column 1: expected a number, got 'x'$"):
        everything(csv_reader(end.join(lines)))
    lines[bad : bad + 1] = [b""] * blanks
    if bad < 9 and blanks:
        with pytest.raises(FormatError, match=rf"^record {bad + 1}: expected 3 columns, got an empty line$"):
            everything(csv_reader(end.join(lines)), 1)
    else:
        np.testing.assert_array_equal(everything(csv_reader(end.join(lines))), np.delete(ROWS, bad, 0))


@pytest.mark.parametrize("after", [b"", b"3,4\n"])
@pytest.mark.parametrize("empty", [b"\n", b"\r\n"])
def test_empty_lines_take_little_memory(empty: bytes, after: bytes) -> None:
    data = b"1,2\n" + empty * (1 << 22) + after
    out = np.empty((5, 2), np.float32)
    tracemalloc.start()
    reader = CSVReader(io.BytesIO(data), 2, None, 1 << 16)
    if after:
        with pytest.raises(FormatError, match=r"^record 2: expected 2 columns, got an empty line$"):
            reader.read(out)
    else:
        assert reader.read(out) == 1
    # The window, the one that it grows out of, and what is looked at in it at once.
    most = 3 * len(data) + (24 << 20)
    assert tracemalloc.get_traced_memory()[1] < most
    tracemalloc.stop()


def test_csv_labels() -> None:
    labelled = b"".join(b"c%d,%s\n" % (i, line) for i, line in enumerate(TEXT.splitlines()))
    for label_size in (None, 1):
        np.testing.assert_array_equal(everything(csv_reader(labelled, label_size)), ROWS)
        reader = csv_reader(labelled, label_size)
        reader.skip(6)
        np.testing.assert_array_equal(everything(reader), ROWS[6:])
    two = b"".join(b"a,b," + line + b"\n" for line in TEXT.splitlines())
    np.testing.assert_array_equal(everything(csv_reader(two, 2)), ROWS)


@pytest.mark.parametrize(
    ("data", "label_size", "message"),
    [
        (b"1,2\n", None, "record 1: expected 3 columns, or 4 with a label first, got 2"),
        (b"1,2,3,4,5\n", None, "record 1: expected 3 columns, or 4 with a label first, got 5"),
        (b"\n1,2,3\n", None, "record 1: expected 3 columns, or 4 with a label first, got an empty line"),
        (b"1,2,3\n1,2,3,4\n", None, "record 2: expected 3 columns, got 4"),
        (b"1,2,3,4\n1,2,3\n", None, "record 2: expected 4 columns, got 3"),
        (b"1,2,3,4\n", 0, "record 1: expected 3 columns, got 4"),
        (b"1,2,3\n", 1, "record 1: expected 4 columns, got 3"),
        (
            b"a,b,c\n1,2,3\n",
            0,
            f"record 1, column 0: expected a number, got 'a' ({HEADER})",
        ),
    ],
)
def test_csv_errors(data: bytes, label_size: int | None, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        everything(csv_reader(data, label_size))
    assert str(caught.value) == message
