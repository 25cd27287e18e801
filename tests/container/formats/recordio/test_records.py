import ast
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from container.formats.errors import FormatError, IncompleteError, InfiniteValueError, MissingValueError
from container.formats.recordio import frames, records
from container.formats.recordio.record_pb2 import Bytes, Record, Value

MAGIC = struct.pack("<I", 0xCED7230A)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
SIGNALING_NAN = struct.unpack("<d", bytes.fromhex("010000000000f07f"))[0]


def part(flag: int, payload: bytes) -> bytes:
    return MAGIC + struct.pack("<I", flag << 29 | len(payload)) + payload + bytes(-len(payload) % 4)


def split(payload: bytes) -> bytes:
    """Write a payload as the format's own library does: parts at every aligned magic, which is left out."""
    places = [i for i in range(0, len(payload) - 3, 4) if payload[i : i + 4] == MAGIC]
    if not places:
        return part(0, payload)
    edges = [0, *places]
    parts = [payload[a + (4 if a in places else 0) : b] for a, b in zip(edges, [*places, len(payload)], strict=True)]
    return part(1, parts[0]) + b"".join(part(2, middle) for middle in parts[1:-1]) + part(3, parts[-1])


def record(kind: str = "float32_tensor", **fields: list[float]) -> Record:
    message = Record()
    tensor = getattr(message.features["values"], kind)
    for name, values in fields.items():
        getattr(tensor, name).extend(values)
    tensor.SetInParent()
    return message


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_frames_of_whole_records(payloads: list[bytes]) -> None:
    data = b"".join(map(frames.frame, payloads))
    assert len(data) % 4 == 0
    assert list(frames.split_frames(data)) == payloads
    assert list(frames.split_frames(memoryview(data))) == payloads


@given(st.lists(st.sampled_from([MAGIC, b"abcd", b"xy", b""]), max_size=8).map(b"".join), st.binary(max_size=9))
def test_frames_of_split_records(payload: bytes, other: bytes) -> None:
    assert list(frames.split_frames(split(payload) + frames.frame(other))) == [payload, other]


def test_frame_is_never_split() -> None:
    assert frames.frame(MAGIC + b"ab") == MAGIC + struct.pack("<I", 6) + MAGIC + b"ab\0\0"


def test_frame_bounds_its_payload() -> None:
    class Long(bytes):
        def __len__(self) -> int:
            return 1 << 29

    with pytest.raises(ValueError, match=r"at most 536870911 bytes, got 536870912"):
        frames.frame(Long())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"abc", "record 1: expected a frame header of 8 bytes, got 3 bytes and the end"),
        (part(0, b"ab") + MAGIC, "record 2: expected a frame header of 8 bytes, got 4 bytes and the end"),
        (b"12345678", "record 1: expected the RecordIO magic 0xCED7230A, got 0x34333231"),
        (part(0, b"abcd")[:-1], "record 1: expected 4 bytes after the frame header, got 3 and the end"),
        (part(0, b"abc")[:-1], "record 1: expected 4 bytes after the frame header, got 3 and the end"),
        (part(2, b"a"), "record 1: expected the beginning of a record, got the flag 2"),
        (part(0, b"") + part(3, b"a"), "record 2: expected the beginning of a record, got the flag 3"),
        (part(1, b"a") + part(0, b"a"), "record 1: expected the next part of a split record, got the flag 0"),
        (part(1, b"a") + part(1, b"a"), "record 1: expected the next part of a split record, got the flag 1"),
        (part(4, b"a"), "record 1: expected the beginning of a record, got the flag 4"),
        (part(1, b"a"), "record 1: expected a frame header of 8 bytes, got 0 bytes and the end"),
    ],
)
def test_frame_errors(data: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        list(frames.split_frames(data))
    assert str(caught.value) == message


def test_every_truncation_is_an_error_but_at_borders() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    data = records.encode(map(records.dense_record, rows))
    size = len(data) // 4
    for end in range(len(data) + 1):
        whole = end // size
        if end % size == 0:
            np.testing.assert_array_equal(records.decode(data[:end], 3)[0], rows[:whole])
        else:
            with pytest.raises(IncompleteError, match=rf"^record {whole + 1}: expected .* and the end$"):
                records.decode(data[:end], 3)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=FINITE))
def test_dense_records_come_back(rows: np.ndarray) -> None:
    decoded, kept = records.decode(records.encode(map(records.dense_record, rows)), rows.shape[1])
    np.testing.assert_array_equal(decoded, rows)
    assert decoded.dtype == np.float32
    assert decoded.flags.c_contiguous
    assert len(kept) == len(rows)


def test_bytes_of_a_dense_record() -> None:
    row = np.array([1.0, 2.0], np.float32)
    assert records.encode([records.dense_record(row)]) == bytes.fromhex(
        "0a23d7ce 18000000 0a16 0a06 76616c756573 120c 120a 0a08 0000803f 00000040"
    )


def test_no_bytes_are_no_records() -> None:
    rows, kept = records.decode(b"", 3)
    assert rows.shape == (0, 3)
    assert kept == []


def test_uid_and_metadata_are_kept() -> None:
    message = record(values=[1])
    message.uid, message.metadata = "abc123", "m"
    message.label["values"].float32_tensor.values.append(3)
    _, (kept,) = records.decode(records.encode([message]), 1)
    assert (kept.uid, kept.metadata) == ("abc123", "m")


@pytest.mark.parametrize("kind", ["float32_tensor", "float64_tensor", "int32_tensor"])
def test_kinds_of_tensors(kind: str) -> None:
    expected = np.array([3, 0, -2], np.float32)
    for message in (
        record(kind, values=[3, 0, -2]),
        record(kind, values=[3, 0, -2], shape=[3]),
        record(kind, values=[3, 0, -2], shape=[1, 3]),
        record(kind, values=[3, -2], keys=[0, 2], shape=[3]),
        record(kind, values=[-2, 3], keys=[2, 0], shape=[3]),
        record(kind, values=[3, -2], keys=[0, 2], shape=[1, 3]),
        record(kind, values=[3, -2], keys=[0, 2]),
        record(kind, values=[5, -2, -1, -1], keys=[0, 2, 0, 0], shape=[3]),
    ):
        row = records.features(message, 3)
        np.testing.assert_array_equal(row, expected)
        assert row.dtype == np.float32
    for zeros in (record(kind, shape=[3]), record(kind, shape=[1, 3])):
        np.testing.assert_array_equal(records.features(zeros, 3), np.zeros(3))


def test_values_of_one_key_are_added_in_float64() -> None:
    (number,) = records.features(record(values=[2**24, 1, -(2**24), 1], keys=[0] * 4, shape=[1]), 1)
    assert number == 2
    (number,) = records.features(record("float64_tensor", values=[1e39, 1, -1e39], keys=[0] * 3, shape=[1]), 1)
    assert number == 0


def test_the_width_of_a_record() -> None:
    for message, count in (
        (record(values=[1, 2]), 2),
        (record(values=[1, 2], shape=[1, 2]), 2),
        (record(values=[1], keys=[1], shape=[5]), 5),
        (record(values=[1], keys=[1], shape=[1, 5]), 5),
        (record(shape=[1, 5]), 5),
        (record(), 0),
    ):
        assert records.feature_count(message) == count
    with pytest.raises(FormatError, match=r"^expected a shape with the keys of the first record, got none"):
        records.feature_count(record(values=[1], keys=[1]))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Record(), "expected a feature named 'values', got none"),
        (Record(features={"value": Value(), "age": Value()}), "expected a feature named 'values', got 'age', 'value'"),
        (Record(features={"values": Value()}), "expected a tensor of float32, float64 or int32, got nothing"),
        (
            Record(features={"values": Value(bytes=Bytes(value=[b"x"]))}),
            "expected a tensor of float32, float64 or int32, got bytes",
        ),
        (record(values=[1, 2]), "expected 3 values, got 2"),
        (record(values=[1, 2, 3, 4]), "expected 3 values, got 4"),
        (record(), "expected 3 values, got 0"),
        (record(values=[1, 2, 3], shape=[4]), "expected a shape of 3 values, got the shape [4]"),
        (record(values=[1, 2, 3], shape=[1 << 63, 1 << 63, 0, 3, 3, 9]), "[9223372036854775808, 9223372036854775808, "),
        (record(values=[1], keys=[1], shape=[2]), "expected a sparse tensor of the shape [3], got [2]"),
        (record(values=[1], keys=[1], shape=[3, 1]), "expected a sparse tensor of the shape [3], got [3, 1]"),
        (record(shape=[2]), "expected a sparse tensor of the shape [3], got [2]"),
        (record(values=[1], keys=[1, 2], shape=[3]), "expected as many values as keys (2), got 1"),
        (record(values=[1], keys=[3], shape=[3]), "expected keys from 0 to 2, got 3"),
        (record(values=[1], keys=[1 << 63], shape=[3]), "expected keys from 0 to 2, got 9223372036854775808"),
        (record(values=[1], keys=[1], shape=[1, 1, 3]), "expected a sparse tensor of the shape [3], got [1, 1, 3]"),
        (record(shape=[2, 3]), "expected a sparse tensor of the shape [3], got [2, 3]"),
        (record(values=[3e38, 3e38], keys=[1, 1]), "column 1: expected a number in the range of float32, got 6e+38"),
    ],
)
def test_feature_errors(message: Record, text: str) -> None:
    with pytest.raises(FormatError) as caught:
        records.decode(records.encode([record(values=[1, 2, 3]), message]), 3)
    assert text in str(caught.value)
    assert caught.value.record == 2


@pytest.mark.parametrize(
    ("message", "kind", "text"),
    [
        (record(values=[1, float("nan")]), MissingValueError, "record 1, column 1: expected a number, got nan"),
        (
            record(values=[float("inf"), 0]),
            InfiniteValueError,
            "record 1, column 0: expected a finite number, got inf",
        ),
        (
            record("float64_tensor", values=[0, -1e300]),
            InfiniteValueError,
            "record 1, column 1: expected a number in the range of float32, got -1e+300",
        ),
        (
            record("float64_tensor", values=[SIGNALING_NAN, 0]),
            MissingValueError,
            "record 1, column 0: expected a number, got nan",
        ),
        (
            record(values=[float("nan")], keys=[1], shape=[2]),
            MissingValueError,
            "record 1, column 1: expected a number, got nan",
        ),
    ],
)
def test_numbers_that_are_not_finite(message: Record, kind: type[FormatError], text: str) -> None:
    with pytest.raises(kind) as caught:
        records.decode(records.encode([message]), 2)
    assert str(caught.value) == text


def test_bytes_that_are_no_message() -> None:
    with pytest.raises(FormatError, match=r"^record 1: expected a protobuf Record message"):
        records.decode(frames.frame(b"\x0a\xff"), 2)


def test_sparse_bodies_cannot_ask_for_unbounded_memory() -> None:
    data = records.encode([record(shape=[1 << 20])] * 3)
    assert records.decode(data, 1 << 20)[0].shape == (3, 1 << 20)
    with pytest.raises(FormatError, match=r"^record 3: expected at most 2097152 values in all, got more"):
        records.decode(data, 1 << 20, max_values=2 << 20)


@settings(max_examples=300)
@given(st.data())
def test_any_bytes_give_rows_or_a_format_error(data: st.DataObject) -> None:
    whole = records.encode([record(values=[1, 2], shape=[2]), record(values=[1], keys=[1], shape=[2])])
    body = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        rows, _ = records.decode(bytes(body), 2)
    except FormatError as error:
        place = error.record
    else:
        place = len(rows)
        assert np.isfinite(rows).all()
    assert place in (1, 2)


def test_generated_module_follows_the_schema(tmp_path: Path) -> None:
    from grpc_tools import protoc

    root = Path(__file__).parents[4]
    schema = "container/formats/recordio/record.proto"
    assert protoc.main(["protoc", f"-I{root}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", schema]) == 0
    made, kept = ((folder / "container/formats/recordio/record_pb2.py").read_text() for folder in (tmp_path, root))
    assert made == kept, f"run protoc again on {schema}"
    # The stub is formatted by the linter, so that only what it declares can be compared.
    made, kept = (declarations(folder / "container/formats/recordio/record_pb2.pyi") for folder in (tmp_path, root))
    assert made == kept, f"run protoc again on {schema}"


def declarations(stub: Path) -> str:
    classes = [node for node in ast.walk(ast.parse(stub.read_text())) if isinstance(node, ast.ClassDef)]
    fields = [(node.name, field) for node in classes for field in node.body if isinstance(field, ast.AnnAssign)]
    return "\n".join(f"{name}: {ast.unparse(field)}" for name, field in fields)
