"""The kernel against its twin, the protobuf library."""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import DTypeLike

from container.formats.errors import FormatError
from container.formats.recordio import frame_kernel as kernel
from container.formats.recordio import frames, records
from container.formats.recordio.frame_kernel import FULL, MORE, ODD
from tests.container.channels.conftest import dense, part

D = 3
FORMATS = {"float32": ("<f", 2, 5), "float64": ("<d", 3, 1), "int32": (None, 7, 0)}  # layout, field, wire type


def varint(number: float) -> bytes:
    number = int(number) & (1 << 64) - 1
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def repeated(number: int, wire: int, items: list[bytes], packed: bool) -> bytes:
    if packed:
        return field(number, b"".join(items)) if items else b""
    return b"".join(varint(number << 3 | wire) + item for item in items)


@st.composite
def tensors(draw: st.DrawFn) -> bytes:
    """Make a Value message with a tensor that is mostly right for rows of D numbers."""
    layout, number, wire = FORMATS[draw(st.sampled_from(sorted(FORMATS)))]
    sparse = draw(st.booleans())
    keys = sorted(draw(st.sets(st.integers(0, D - 1)))) if sparse else []
    count = len(keys) if sparse else D
    if draw(st.integers(0, 9)) == 0:
        count = draw(st.integers(0, D + 1))
        keys = draw(st.lists(st.one_of(st.integers(0, D), st.integers(0, 2**64 - 1)), max_size=D + 1))
    numbers: st.SearchStrategy[Any]
    if layout is None:
        numbers = st.integers(-(2**31), 2**31 - 1)
    elif draw(st.integers(0, 5)) == 0:
        numbers = st.floats(width=32 if layout == "<f" else 64)
    else:
        numbers = st.floats(-1e6, 1e6, width=32)
    values = [
        varint(x) if layout is None else struct.pack(layout, x)
        for x in draw(st.lists(numbers, min_size=count, max_size=count))
    ]
    shape = draw(st.sampled_from([[D], [1, D], []]))
    if draw(st.integers(0, 9)) == 0:
        shape = draw(st.lists(st.integers(0, D + 1), max_size=2))
    packed = draw(st.booleans())
    parts = [
        repeated(1, wire, values, packed),
        repeated(2, 0, list(map(varint, keys)), draw(st.booleans())),
        repeated(3, 0, list(map(varint, shape)), draw(st.booleans())),
    ]
    if packed and draw(st.integers(0, 9)) == 0:
        parts[0] = repeated(1, wire, values[:1], False) + repeated(1, wire, values[1:], True)
    return field(number, b"".join(draw(st.permutations(parts))))


@st.composite
def entries(draw: st.DrawFn, name: bytes) -> bytes:
    return b"".join(draw(st.permutations([field(1, name), field(2, draw(tensors()))])))


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Make a Record message, with the fields in any order."""
    parts = [field(1, draw(entries(b"values")))]
    if draw(st.booleans()):
        parts += [field(2, draw(entries(draw(st.sampled_from([b"values", b"y"])))))]
    if draw(st.booleans()):
        parts += [field(draw(st.integers(3, 5)), draw(st.binary(max_size=5)))]
    if draw(st.integers(0, 9)) == 0:
        parts += [field(1, draw(entries(draw(st.sampled_from([b"values", b"valueS", b""])))))]
    return b"".join(draw(st.permutations(parts)))


def twin(payload: bytes, dtype: DTypeLike = np.float32) -> list[float] | None:
    """Return the row as the protobuf library reads it; None if there is none."""
    try:
        row: list[float] = records.features(records.parse(payload), D, dtype).tolist()
    except FormatError:
        return None
    return row


def check(data: bytes, expected: list[list[float] | None], dtype: DTypeLike = np.float32) -> int:
    """Decode `data`; each row must be the twin's, or be left to it. Return the number of rows that were decoded."""
    buffer = np.frombuffer(bytearray(data + b"\xff" * 16), np.uint8)
    end = len(data)
    position = decoded = 0
    out = np.full((len(expected), D), 7, dtype)
    row = 0
    while row < len(expected):
        status, position, next_row = map(int, kernel.decode(buffer, position, end, out, row))
        for i in range(row, next_row):
            assert out[i].tolist() == expected[i]
        decoded += next_row - row
        row = next_row
        if status == ODD:
            _, position = frames.next_record(data, position)
            row += 1
        else:
            assert status == FULL
    assert position == end
    return decoded


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=400)
@given(messages=st.lists(payloads(), min_size=1, max_size=4))
def test_rows_are_those_of_the_twin(messages: list[bytes], dtype: DTypeLike) -> None:
    check(b"".join(map(frames.frame, messages)), [twin(message, dtype) for message in messages], dtype)


@settings(max_examples=600)
@given(payloads(), st.data())
def test_broken_bytes_are_left_to_the_twin(message: bytes, data: st.DataObject) -> None:
    broken = bytearray(message)
    for _ in range(data.draw(st.integers(1, 3))):
        i = data.draw(st.integers(0, len(broken) - 1))
        if data.draw(st.booleans()):
            broken[i] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del broken[i:]
            break
    good = dense(np.ones((1, D)))
    check(good + frames.frame(bytes(broken)) + good, [[1.0] * D, twin(bytes(broken)), [1.0] * D])


@given(st.binary(max_size=40))
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
@example(b"\x0a" + b"\x80" * 20)
def test_any_payload(message: bytes) -> None:
    check(frames.frame(message), [twin(message)])


def plain(data: bytes) -> bool:
    return check(data, [[1.0, 0.0, -2.0]]) == 1


def test_ordinary_records_are_decoded_by_the_kernel() -> None:
    row = np.array([1, 0, -2], np.float32)
    for name, (layout, number, wire) in FORMATS.items():
        numbers = [varint(int(x)) if layout is None else struct.pack(layout, x) for x in row]
        shape = repeated(3, 0, [varint(D)], True)
        for packed in (True, False):
            values = repeated(1, wire, numbers, packed)
            kept = repeated(1, wire, [numbers[0], numbers[2]], packed)
            keys = repeated(2, 0, [varint(0), varint(2)], packed)
            for tensor in (values, values + shape, shape + values, kept + keys + shape, shape + keys + kept):
                entry = field(1, field(1, b"values") + field(2, field(number, tensor)))
                label = field(2, field(1, b"y") + field(2, field(2, field(1, b"abcd" * 5))))
                for message in (entry, label + entry, entry + label, entry + field(3, b"uid") + field(4, b"m")):
                    assert plain(frames.frame(message)), (name, packed)


def test_a_sparse_zero_row_is_decoded_by_the_kernel() -> None:
    message = field(1, field(1, b"values") + field(2, field(2, repeated(3, 0, [varint(D)], True))))
    assert check(frames.frame(message) * 2, [[0.0] * D] * 2) == 2


def test_unusual_records_are_left_to_the_twin() -> None:
    (message,) = frames.split_frames(dense([[1, 0, -2]]))
    assert plain(frames.frame(message))
    unsorted = (
        repeated(1, 5, [struct.pack("<f", x) for x in (-2, 1)], True)
        + repeated(2, 0, [b"\2", b"\0"], True)
        + b"\x1a\1\3"
    )
    for unusual in (
        message + message,
        field(1, field(1, b"values") + field(2, field(2, unsorted))),
        field(1, field(2, b"") + field(1, b"values") + field(2, message[message.index(b"\x12") + 2 :])),
    ):
        assert check(frames.frame(unusual), [twin(unusual)]) == 0
        assert twin(unusual) == [1.0, 0.0, -2.0]
    assert check(part(1, message[:8]) + part(3, b""), [None]) == 0


def test_odd_tensors_are_left_to_the_twin() -> None:
    long = b"\x81" + b"\x80" * 8 + b"\x02"
    for tensor in (
        field(7, field(1, b"\1\2" + long)),
        field(7, field(1, b"\1\2\3") + b"\x18" + long),
        field(2, field(1, bytes(12))) + field(2, field(1, bytes(4))),
        field(2, field(1, bytes(12))) + field(9, field(1, b"x")),
    ):
        message = field(1, field(1, b"values") + field(2, tensor))
        assert check(frames.frame(message), [twin(message)]) == 0


def test_what_follows_the_values_is_looked_at() -> None:
    (message,) = frames.split_frames(dense([[1, 2, 3]]))
    for end in (field(3, b"ab"), field(2, field(1, b"") + field(2, field(2, b"")))):
        good = frames.frame(message + end)
        assert check(good * 2, [[1, 2, 3]] * 2) == 2
        bad = message + b"\x1a\x7f" + end[2:]
        assert twin(bad) is None
        assert check(good + frames.frame(bad), [[1, 2, 3], None]) == 1


def test_numbers_that_are_not_finite_are_left_to_the_twin() -> None:
    good = dense([[1, 2, 3]])
    for number in (np.nan, np.inf, -np.inf):
        for column in range(D):
            bad = np.ones((1, D), np.float32)
            bad[0, column] = number
            assert check(good + dense(bad) + good, [[1, 2, 3], None, [1, 2, 3]]) == 2


def test_every_truncation_stops_before_the_record_that_is_torn() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, D)
    data = np.frombuffer(bytearray(dense(rows)), np.uint8)
    size = len(data) // 4
    for end in range(len(data) + 1):
        out = np.full((5, D), -1, np.float32)
        assert kernel.decode(data, 0, end, out, 0) == (MORE, end // size * size, end // size)
        np.testing.assert_array_equal(out[: end // size], rows[: end // size])
        assert kernel.skip(data, 0, end, 9) == (MORE, end // size * size, end // size)


def test_rows_of_sparse_matrices_are_plain() -> None:
    """As scipy's CSR has them; what has a key twice is added up by the twin."""

    def sparse(keys: list[int], shape: list[int]) -> bytes:
        tensor = repeated(1, 5, [struct.pack("<f", 2.0)] * len(keys), True)
        tensor += repeated(2, 0, list(map(varint, keys)), True) + repeated(3, 0, list(map(varint, shape)), True)
        return frames.frame(field(1, field(1, b"values") + field(2, field(2, tensor))))

    plain = [sparse([0, 2], shape) for shape in ([D], [1, D], [])]
    assert check(b"".join(plain), [[2, 0, 2]] * 3) == 3
    assert check(sparse([1, 1, 0], [1, D]) + plain[0], [[2, 4, 0], [2, 0, 2]]) == 1
    assert check(sparse([0], [2, D]) + sparse([0], [1, 1, D]), [None, None]) == 0


def test_it_stops_when_the_batch_is_full() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, D)
    data = np.frombuffer(bytearray(dense(rows)), np.uint8)
    size = len(data) // 4
    out = np.zeros((3, D), np.float32)
    assert kernel.decode(data, size, len(data), out, 1) == (FULL, 3 * size, 3)
    np.testing.assert_array_equal(out, [[0, 0, 0], *rows[1:3]])
    assert kernel.skip(data, size, len(data), 2) == (FULL, 3 * size, 2)
    assert kernel.skip(data, size, len(data), 0) == (FULL, size, 0)


def test_frames_that_are_not_plain() -> None:
    for odd in (part(1, b"ab"), part(4, b"ab"), b"12345678" * 2):
        data = np.frombuffer(bytearray(dense([[1, 2, 3]]) + odd), np.uint8)
        out = np.zeros((3, D), np.float32)
        assert kernel.decode(data, 0, len(data), out, 0) == (ODD, len(data) - len(odd), 1)
        assert kernel.skip(data, 0, len(data), 3) == (ODD, len(data) - len(odd), 1)


@pytest.mark.parametrize("d", [1, 2, 7, 8, 9, 50])
def test_nothing_is_written_outside_the_rows(d: int) -> None:
    rows = np.random.default_rng(0).standard_normal((40, d), dtype=np.float32)
    content = np.frombuffer(dense(rows), np.uint8)
    for n in range(len(rows) + 1):
        # Numbers that are not finite: what is taken from beyond the records would be noticed.
        around = np.full((len(rows) + 2, d), np.nan, np.float32)
        status, begin, end = kernel.decode(content.copy(), 0, len(content), around[1 : 1 + n], 0)
        assert (status, begin * len(rows), end) == (FULL, n * len(content), n)
        assert np.array_equal(around[1 : 1 + n], rows[:n])
        assert np.isnan(around[0]).all()
        assert np.isnan(around[1 + n :]).all()
