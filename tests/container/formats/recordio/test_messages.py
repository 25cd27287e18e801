"""Many records at once are read as the reference reads each, and so is what is said of a bad one."""

import struct
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container.formats.errors import FormatError
from container.formats.recordio import frames, lockstep, messages, records, wire
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.spans import spans_of
from container.serving.codecs import CODECS
from tests.container.serving.wire import RECORDIO, delimited, values

FEATURES = 3
KINDS = ["float32_tensor", "float64_tensor", "int32_tensor"]


def record(
    kind: str, values: list[int | float], keys: list[int] | None = None, shape: list[int] | None = None, uid: str = ""
) -> Record:
    made = Record()
    tensor = getattr(made.features["values"], kind)
    tensor.values.extend(values if kind != "int32_tensor" else [int(value) for value in values])
    tensor.keys.extend(keys or [])
    tensor.shape.extend(shape or [])
    if uid:
        made.uid = uid
    return made


GOOD = [
    *(record(kind, [1, -2.5, 3], shape=shape) for kind in KINDS for shape in (None, [3], [1, 3], [3, 1])),
    *(record(kind, [1, 2], [2, 0], [3], "a uid") for kind in KINDS),
    *(record(kind, [1, 2, 4], [2, 0, 2], shape) for kind in KINDS for shape in (None, [3], [1, 3])),
    record("float32_tensor", [], shape=[3]),
    record("float64_tensor", [0.1, 1e-50, 16777217.0], uid="ü"),
]
BAD = [
    record("float32_tensor", [4], [1], [3, 7]),
    Record(),
    record("float32_tensor", [1, 2]),
    record("float32_tensor", [1, 2, float("nan")]),
    record("float64_tensor", [1, 1e39, 2]),
    # A NaN that signals.
    record("float64_tensor", [1, 2, struct.unpack("<d", bytes.fromhex("010000000000f07f"))[0]]),
    record("float32_tensor", [1, 2, 3], shape=[4]),
    record("float32_tensor", [1, 2], [0, 3], [3]),
    record("float32_tensor", [1, 2], [0, 1 << 63], [3]),
    record("float64_tensor", [3e38, 2e38], [1, 1], [3]),
    record("float32_tensor", [1], [1], [3, 1]),
    record("float32_tensor", [1], [3]),
    record("float32_tensor", [1], [0, 1], [3]),
    record("float32_tensor", [float("inf")], [1], [3]),
    record("float32_tensor", [1], [1], [4]),
]


# Messages of ordinary writers, of which one differs from the next in more than its numbers.
ORDINARY: dict[str, Callable[[int], Record]] = {
    "uid": lambda number: record("float32_tensor", [number, -2.5, 3], uid=str(10 ** (number % 5))),
    "long uid": lambda number: record("float32_tensor", [number, -2.5, 3], uid="ü" * (60 + number % 9)),
    "empty uid": lambda number: merged(record("float64_tensor", [1, 2, number]), Record(uid="")),
    "metadata": lambda number: merged(
        record("float64_tensor", [0.1, number, 3], shape=[3], uid=str(number)), Record(metadata="m" * (number % 7))
    ),
    "metadata alone": lambda number: merged(record("float32_tensor", [1, 2, number]), Record(metadata=str(number))),
    "configuration": lambda number: merged(
        record("float32_tensor", [1, 2, number]), Record(metadata="", configuration=str(10**number))
    ),
    "label": lambda number: labelled(record("float32_tensor", [1, 2, number], uid=f"{number:03}"), number),
    "sparse": lambda number: record("float32_tensor", [number, 0.5][: 1 + number % 2], [2, 0][: 1 + number % 2], [3]),
    "sparse float64": lambda number: record("float64_tensor", [0.1] * (1 + number % 3), [*range(1 + number % 3)], [3]),
    "sparse rows of a matrix": lambda number: record("float32_tensor", [number], [number % 3], [1, 3]),
    "sparse without a shape": lambda number: record("float64_tensor", [number, 0.5], [number % 3, 1], uid="a"),
    "sparse, to be added up": lambda number: record("float32_tensor", [1e8, number, -1e8], [1, number % 3, 1], [1, 3]),
    "dense rows of a matrix": lambda number: record("float32_tensor", [1, number, 3], shape=[1, 3], uid=str(number)),
    "all zeros": lambda number: record("float32_tensor", [], shape=[3], uid=str(number)),
}


def merged(made: Record, more: Record) -> Record:
    made.MergeFrom(more)
    return made


def labelled(made: Record, label: float) -> Record:
    made.label["values"].float32_tensor.values.append(label)
    return made


def outcome(body: bytes) -> object:
    """Return the rows, uid and metadata of a body, or what is wrong with it."""
    try:
        blocks = list(CODECS[RECORDIO].decode([body], FEATURES))
    except FormatError as error:
        return type(error), str(error)
    rows = [row for block in blocks for row in block.rows.tolist()]
    strings = [
        one
        for block in blocks
        for one in (block.identities.strings() if block.identities is not None else [b""] * len(block.rows))
    ]
    return rows, strings


def expected(body: bytes) -> object:
    """Read one record after the other with the protobuf library."""
    rows, strings = [], []
    position = 0
    try:
        while position < len(body):
            message, position = frames.next_record(body, position)
            one = records.parse(message)
            strings.append(records.identity(one))
            rows.append(records.features(one, FEATURES).tolist())
    except FormatError as error:
        error.record = len(rows) + 1
        return type(error), str(error)
    return rows, strings


@settings(max_examples=60, deadline=None)
@given(
    forms=st.lists(st.sampled_from([*ORDINARY]), min_size=1, max_size=4),
    others=st.lists(st.tuples(st.integers(0, 150), st.sampled_from(GOOD + BAD)), max_size=3),
    turns=st.booleans(),
)
def test_records_of_all_forms(forms: list[str], others: list[tuple[int, Record]], turns: bool) -> None:
    """Of some forms by turns, or one form after the other, and a few of any other form among them."""
    made = [
        ORDINARY[forms[number % len(forms) if turns else number * len(forms) // 150]](number) for number in range(150)
    ]
    for place, other in others:
        made.insert(place, other)
    body = records.encode(made)
    assert outcome(body) == expected(body)


@pytest.mark.parametrize("form", ORDINARY)
def test_ordinary_records_are_read_together(form: str) -> None:
    made = spans_of([ORDINARY[form](number).SerializeToString() for number in range(100)])
    assert len(lockstep.read(made, FEATURES).which) == 100


@pytest.mark.parametrize("form", ORDINARY)
@pytest.mark.parametrize("changed", [0, 30])
def test_every_byte_of_a_record_counts(form: str, changed: int) -> None:
    """Of the first one, which the others follow, and of one that follows."""
    made = [records.encode([ORDINARY[form](number)]) for number in range(60)]
    before, after = b"".join(made[:changed]), b"".join(made[changed + 1 :])
    for position in range(8, len(made[changed])):
        for bit in (1, 128):
            one = bytearray(made[changed])
            one[position] ^= bit
            body = before + one + after
            assert outcome(body) == expected(body), (position, bit)


UID = delimited(3, b"a")
PLAIN = delimited(1, values(2, delimited(1, bytes(12))))
SPARSE = [delimited(1, bytes(8)), delimited(2, b"\x00\x02"), delimited(3, b"\x03")]


@pytest.mark.parametrize(
    "message",
    [
        UID + PLAIN,
        PLAIN + UID + UID,
        PLAIN + delimited(4, b"m") + UID,
        PLAIN + UID + delimited(5, b"\xff") + delimited(4, b"m"),
        PLAIN + delimited(3, b"\xff"),
        PLAIN + b"\x1a\x81\x00a",
        PLAIN + UID + PLAIN,
        PLAIN + b"\x30\x01",
        PLAIN + delimited(2, b""),
        PLAIN + delimited(2, values(2, delimited(1, b"abc"))),
        PLAIN + delimited(2, values(2, delimited(1, b"abcd"))),
        delimited(1, b""),
        delimited(1, values(2, b"")),
        delimited(1, values(3, delimited(1, bytes(12)))),
        delimited(1, values(2, delimited(1, bytes(8)) + delimited(1, bytes(4)))),
        delimited(1, values(2, delimited(1, bytes(12)) + delimited(1, bytes(12)))),
        delimited(1, values(2, delimited(1, bytes(12)) + delimited(2, b""))),
        delimited(1, values(2, delimited(1, b"") + delimited(2, b"") + delimited(3, b"\x03"))),
        # Lengths beyond the end of all.
        b"\x0a\x20\x0a\x06values\x12\xff\xff\x7f\x12\xfb\xff\x7f\x0a\xff\xff\x3f" + bytes(12),
        *(delimited(1, values(2, b"".join(order))) for order in permutations(SPARSE)),
        *(
            delimited(1, values(2, delimited(1, bytes(8)) + delimited(2, keys) + delimited(3, b"\x03")))
            for keys in (
                b"\x82\x00\x00",
                b"\x82\x80\x80\x80\x00\x00",
                b"\x02\x80",
                b"\x00\x02\x80",
                b"\x80\x80",
                b"\x02\x82\x00",
                b"\x02\x03",
            )
        ),
    ],
    ids=bytes.hex,
)
@pytest.mark.parametrize("place", [0, 30])
def test_messages_that_are_written_otherwise(message: bytes, place: int) -> None:
    for others in (PLAIN + UID, message):
        written = [others] * 60
        written.insert(place, message)
        body = b"".join(map(frames.frame, written))
        assert outcome(body) == expected(body)


def test_sparse_records_of_many_columns() -> None:
    rng = np.random.default_rng(0)
    columns = 20_000
    made = [record("float32_tensor", [1, number], [columns - 1, 1], [columns]) for number in range(2)]
    for _ in range(60):
        keys = rng.choice(rng.choice([100, 200, columns]), 5, replace=False).tolist()
        made.append(record("float32_tensor", rng.standard_normal(5).tolist(), keys, [columns]))
    read = lockstep.read(spans_of([one.SerializeToString() for one in made]), columns)
    assert len(read.which) == len(made)
    for one, row in zip(made, read.rows, strict=True):
        np.testing.assert_array_equal(row, records.features(one, columns))


@pytest.mark.parametrize("bad", range(len(BAD)))
def test_the_first_bad_record_is_named(bad: int) -> None:
    made = [*GOOD * 4, BAD[bad], *GOOD, Record()]
    with pytest.raises(FormatError) as wanted:
        records.features(BAD[bad], FEATURES)
    wanted.value.record = 100 + 4 * len(GOOD) + 1
    with pytest.raises(FormatError) as found:
        messages.read(spans_of([one.SerializeToString() for one in made]), FEATURES, 100)
    assert str(found.value) == str(wanted.value)
    assert type(found.value) is type(wanted.value)


def test_the_magic_within_records() -> None:
    (magic,) = struct.unpack("<f", struct.pack("<I", wire.MAGIC))
    made = [record("float32_tensor", [magic, number, magic], uid=str(number)) for number in range(200)]
    body = records.encode(made)
    assert body.index(b"\x0a\x23\xd7\xce", 4) % 4 == 0
    split = b"".join(b"\x0a\x23\xd7\xce" + struct.pack("<I", flag << 29 | 4) + b"abcd" for flag in (1, 3))
    for one in (body, body[:-4], body + b"other", body + split + body):
        assert outcome(one) == expected(one)
    payloads, used = frames.some_payloads(body, 0, 1000)
    assert (len(payloads), used) == (200, len(body))


def test_records_in_parts_cut_anywhere() -> None:
    made = [ORDINARY["uid"](number) for number in range(3000)]
    body = records.encode(made)
    blocks = list(
        CODECS[RECORDIO].decode([body[start : start + 7919] for start in range(0, len(body), 7919)], FEATURES)
    )
    uids = [one for block in blocks if block.identities is not None for one in block.identities.strings()]
    assert uids == [records.identity(one) for one in made]
    np.testing.assert_array_equal(np.concatenate([block.rows for block in blocks])[:, 0], np.arange(3000))
