"""The codecs on their own, and any bytes through the application."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from container.formats.errors import FormatError
from container.formats.recordio import frames, records
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.spans import spans_of
from container.serving.app import create_app
from container.serving.codecs import CODECS, text
from container.serving.codecs.codec import BLOCK_VALUES, Columns, Instances, Predictions
from container.serving.model import ServedModel
from container.serving.settings import ServingSettings
from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO, answered, dense, frame

ROWS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 100), st.integers(1, 5)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


def json_objects(rows: NDArray[np.float32]) -> list[str]:
    """Write rows in the shapes of JSON by turns."""
    shapes: tuple[Callable[[list[float]], object], ...] = (
        lambda row: {"features": row},
        lambda row: {"data": {"features": {"values": row}}},
        lambda row: {"data": {"features": {"keys": list(range(len(row))), "shape": [len(row)], "values": row}}},
        lambda row: {
            "data": {
                "features": {
                    "keys": [key for key, value in reversed(list(enumerate(row))) if value],
                    "shape": [len(row)],
                    "values": [value for value in reversed(row) if value],
                }
            }
        },
    )
    return [json.dumps(shapes[number % len(shapes)](row)) for number, row in enumerate(rows.tolist())]


WRITERS: dict[str, Callable[[NDArray[np.float32]], bytes]] = {
    CSV: lambda rows: "".join(f"{','.join(map(repr, row))}\n" for row in rows.tolist()).encode(),
    JSON: lambda rows: f'{{"instances": [{", ".join(json_objects(rows))}]}}'.encode(),
    JSON_LINES: lambda rows: "\n".join(json_objects(rows)).encode(),
    RECORDIO: lambda rows: records.encode(map(records.dense_record, rows)),
}


def read_all(
    content_type: str, body: Iterable[bytes], feature_dim: int
) -> tuple[NDArray[np.float32], list[Record] | None]:
    """Read a body given in parts."""
    blocks = list(CODECS[content_type].decode(body, feature_dim))
    rows = np.concatenate([block.rows for block in blocks])
    if all(block.identities is None for block in blocks):
        return rows, None
    return rows, [one for block in blocks for one in identities_of(block)]


def identities_of(block: Instances) -> list[Record]:
    return (
        [Record()] * len(block.rows)
        if block.identities is None
        else list(map(Record.FromString, block.identities.strings()))
    )


@pytest.mark.parametrize("content_type", WRITERS)
@settings(max_examples=25, deadline=None)
@given(rows=ROWS, cut=st.integers(0, 10_000))
def test_rows_written_are_the_rows_read(content_type: str, rows: NDArray[np.float32], cut: int) -> None:
    body = WRITERS[content_type](rows)
    read, identities = read_all(content_type, [body[: cut % len(body)], body[cut % len(body) :]], rows.shape[1])
    assert read.dtype == np.float32
    # A sparse row leaves zeros out, and with them the sign of a negative one.
    np.testing.assert_array_equal(read, rows)
    assert identities is None


def read_pairs(content_type: str, body: bytes) -> list[tuple[float, float]]:
    """Read an answer the way its clients do."""
    match content_type:
        case "text/csv":
            lines = [line.split(",") for line in body.decode().splitlines()]
            return [(float(label), float(distance)) for label, distance in lines]
        case "application/x-recordio-protobuf":
            answers = map(Record.FromString, frames.split_frames(body))
            labels = [record.label for record in answers]
            names = ("closest_cluster", "distance_to_cluster")
            return [tuple(label[name].float32_tensor.values[0] for name in names) for label in labels]
        case "application/json":
            objects = json.loads(body)["predictions"]
        case _:
            objects = [json.loads(line) for line in body.splitlines()]
    return [(answer["closest_cluster"], answer["distance_to_cluster"]) for answer in objects]


@pytest.mark.parametrize("content_type", WRITERS)
@settings(max_examples=25, deadline=None)
@given(
    distances=hnp.arrays(
        np.float32, st.integers(1, 50), elements=st.floats(min_value=0, width=32, allow_infinity=False)
    ),
    identified=st.booleans(),
)
def test_predictions_written_are_the_predictions_read(
    content_type: str, distances: NDArray[np.float32], identified: bool
) -> None:
    labels = np.arange(len(distances))
    uids = [Record(uid=f"{10**label}").SerializeToString() for label in labels.tolist()]
    identities = spans_of(uids) if identified else None
    columns: Columns = {"closest_cluster": labels, "distance_to_cluster": distances}
    body = b"".join(CODECS[content_type].encode([Predictions(columns, identities)]))
    assert read_pairs(content_type, body) == list(zip(labels.tolist(), distances.tolist(), strict=True))
    if content_type == RECORDIO:
        echoes = uids if identified else [b""] * len(uids)
        assert body == b"".join(
            frame(answered(*pair) + echo) for pair, echo in zip(read_pairs(RECORDIO, body), echoes, strict=True)
        )


def test_recordio_with_and_without_the_table_of_bytes() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    body = WRITERS[RECORDIO](rows)
    np.testing.assert_array_equal(read_all(RECORDIO, [body], 3)[0], rows)
    # One record that says more is enough to take the other way.
    record = records.dense_record(rows[0])
    record.uid = "a"
    read, identities = read_all(RECORDIO, [body + records.encode([record])], 3)
    np.testing.assert_array_equal(read, rows[[0, 1, 2, 3, 0]])
    assert identities == [Record()] * 4 + [Record(uid="a")]


@pytest.mark.parametrize("feature_dim", [3, 30])
def test_every_byte_of_a_plain_record_counts(feature_dim: int) -> None:
    """Read a frame that differs in one bit from the plain form, padding included, as the protobuf library does."""
    whole = WRITERS[RECORDIO](np.ones((3, feature_dim), dtype=np.float32))
    size = len(whole) // 3

    def outcome(decode: Callable[[bytes, int], NDArray[np.float32]], body: bytes) -> object:
        try:
            return decode(body, feature_dim).tolist()
        except FormatError as error:
            return str(error)

    for position in range(size, 2 * size):
        body = bytearray(whole)
        body[position] ^= 1
        expected = outcome(lambda body, feature_dim: records.decode(body, feature_dim)[0], bytes(body))
        got = outcome(lambda body, feature_dim: read_all(RECORDIO, [body], feature_dim)[0], bytes(body))
        assert got == expected, position


@pytest.mark.parametrize(
    "record_kind",
    ["float64", "with a shape", "with a label before", "with uid", "with the row's numbers in its label"],
)
def test_records_shaped_like_the_first_are_read_as_the_library_reads_them(record_kind: str) -> None:
    rng = np.random.default_rng(0)
    made = []
    for row in rng.standard_normal((3000, 5)).astype(np.float32):
        record = records.dense_record(row)
        match record_kind:
            case "float64":
                record.features["values"].float64_tensor.values.extend(row.tolist())
            case "with a shape":
                record.features["values"].float32_tensor.shape.append(5)
            case "with a label before":
                record.label["values"].float32_tensor.values.append(1.0)
            case "with uid":
                record.uid, record.metadata = "same", "also"
            case _:
                record.label["values"].float32_tensor.values.extend(row.tolist())
        made.append(record)
    # The last ones are of another form.
    made += [records.dense_record(np.arange(5, dtype=np.float32))] * 3
    body = records.encode(made)
    expected = np.stack([records.features(record, 5) for record in made])
    parts = [body[start : start + 7919] for start in range(0, len(body), 7919)]
    read, identities = read_all(RECORDIO, parts, 5)
    np.testing.assert_array_equal(read, expected)
    if record_kind == "with uid":
        assert identities == [Record(uid="same", metadata="also")] * 3000 + [Record()] * 3
    else:
        assert identities is None


@pytest.mark.parametrize("content_type", [JSON, JSON_LINES, RECORDIO])
def test_small_instances_of_long_rows_are_given_block_by_block(content_type: str) -> None:
    """A sparse row of a few bytes stands for one of any length: no more of them than a block may be held at once."""
    feature_dim = 1 << 20
    sparse = json.dumps({"data": {"features": {"keys": [7], "shape": [feature_dim], "values": [1.0]}}})
    record = Record()
    tensor = record.features["values"].float32_tensor
    tensor.keys.append(7)
    tensor.values.append(1.0)
    tensor.shape.append(feature_dim)
    body = {
        JSON: f'{{"instances": [{", ".join([sparse] * 50)}]}}'.encode(),
        JSON_LINES: "\n".join([sparse] * 50).encode(),
        RECORDIO: records.encode([record] * 50),
    }[content_type]
    counts = [len(block.rows) for block in CODECS[content_type].decode([body], feature_dim)]
    assert sum(counts) == 50
    assert max(counts) * feature_dim <= BLOCK_VALUES


NUMBERS = st.floats(min_value=0, width=32, allow_infinity=False) | st.integers(0, 1 << 20).map(float)


@settings(max_examples=30, deadline=None)
@given(numbers=st.lists(NUMBERS, min_size=1, max_size=20), labels=st.integers(0, 3))
def test_an_answer_is_written_alike_by_python_and_by_pyarrow(numbers: list[float], labels: int) -> None:
    few = {
        "closest_cluster": np.full(len(numbers), labels),
        "distance_to_cluster": np.array(numbers, np.float32),
        "top_distances": np.array([[number, 0.5] for number in numbers], np.float32),
    }
    repeats = 64 // len(numbers) + 1
    many = {name: np.concatenate([values] * repeats) for name, values in few.items()}
    assert text.csv_lines(many) == text.csv_lines(few) * repeats
    assert text.json_objects(many, "\n") == text.json_objects(few, "\n") * repeats


@pytest.fixture(scope="session")
def client(base: Path) -> FlaskClient:
    return create_app(ServedModel(base / "model"), ServingSettings()).test_client()


def fragments(*pieces: bytes) -> st.SearchStrategy[bytes]:
    """Return bytes that sometimes pass the first checks of a format."""
    return st.lists(st.sampled_from(pieces) | st.binary(max_size=4), max_size=12).map(b"".join)


BODIES = {
    CSV: fragments(b"1,2,3\n", b"0,0,0", b",", b"\n", b"\r\n", b'"', b"1e39", b"-", b"nan", b"\n\n"),
    JSON: fragments(
        b'{"instances": [', b'{"features": [1, 2, 3]}', b", ", b"]}", b"[", b"1e999", b'"data"', b"NaN", b'{"data": '
    ),
    JSON_LINES: fragments(
        b'{"features": [1, 2, 3]}', b"\n", b'{"data": {"features": ', b'{"values": [', b"1, 2, 3", b"]}"
    ),
    RECORDIO: fragments(
        b"\x0a\x23\xd7\xce",
        b"\x1c\x00\x00\x00",
        b"\x0a\x1a\x0a\x06values\x12\x10\x12\x0e\x0a\x0c" + bytes(12),
        b"\x1a\x01a",
        b"\0\0\0",
    ),
}


@pytest.mark.parametrize("content_type", BODIES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_give_an_answer_or_a_sentence(client: FlaskClient, content_type: str, data: st.DataObject) -> None:
    body = data.draw(BODIES[content_type] | st.binary(max_size=80))
    response = client.post("/invocations", data=body, content_type=content_type, headers={"Accept": CSV})
    assert response.status_code in (200, 400)
    if response.status_code == 400:
        assert response.get_data(as_text=True).startswith("unable to evaluate payload provided: ")
    else:
        assert len(read_pairs(CSV, response.get_data())) >= 1


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["instances", "features", "data", "values", "keys", "shape", "configuration"]),
            inner,
            max_size=3,
        )
    ),
)


@settings(max_examples=200, deadline=None)
@given(value=JSON_VALUES, instance=st.booleans())
def test_any_json_gives_an_answer_or_a_sentence(client: FlaskClient, value: object, instance: bool) -> None:
    document = {"instances": [value]} if instance else value
    for content_type in (JSON, JSON_LINES):
        response = client.post("/invocations", data=json.dumps(document), content_type=content_type)
        assert response.status_code in (200, 400)


def peak_of_reading(content_type: str, body: bytes, fault: str = "") -> int:
    """Return how many bytes of objects a body of rows of three takes at most while it is read."""
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=fault) if fault else nullcontext():
            for _ in CODECS[content_type].decode(iter([body]), 3):
                pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("end", "fault"), [(b"", "got the end at line 1"), (b", x]", "got 'x]' at line 1"), (b"] x", "got 'x' at line 1")]
)
def test_a_document_with_a_fault_at_its_end_takes_no_more_memory_than_a_good_one(end: bytes, fault: str) -> None:
    document = b'[{"id": 0, "features": [0, 0, 0]}' + b', {"id": 0, "features": [0, 0, 0]}' * 20_000
    assert peak_of_reading(JSON, document + end, fault) < 1.5 * peak_of_reading(JSON, document + b"]")


READING = f"""
import sys
from pathlib import Path
from container.serving.codecs import CODECS

def most_memory():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) << 10

body = sys.stdin.buffer.read()
before = most_memory()
for _ in CODECS["{RECORDIO}"].decode(iter([body]), 3):
    pass
print(most_memory() - before)
"""


@pytest.mark.parametrize("framed", [True, False])
def test_a_record_of_many_unknown_fields_takes_memory_in_proportion_to_its_length(framed: bool) -> None:
    # The library takes it where nobody but the kernel counts.
    record = dense(1, 2, 5) + b"\x30\x00" * 1_500_000
    body = frame(record) if framed else record
    done = subprocess.run([sys.executable, "-c", READING], input=body, capture_output=True, timeout=60, check=True)
    assert int(done.stdout) < 16 * len(body)
