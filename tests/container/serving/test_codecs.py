"""The codecs on their own, and any bytes through the application."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from container.formats import recordio as frames
from container.formats.errors import FormatError
from container.formats.record_pb2 import Record
from container.serving.app import create_app
from container.serving.codecs import CODECS, instances
from container.serving.codecs.codec import Identity, Predictions
from container.serving.model import ServedModel
from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO

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
    RECORDIO: lambda rows: frames.encode(map(frames.dense_record, rows)),
}


@pytest.mark.parametrize("content_type", WRITERS)
@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_rows_written_are_the_rows_read(content_type: str, rows: NDArray[np.float32]) -> None:
    read = CODECS[content_type].decode(WRITERS[content_type](rows), rows.shape[1])
    assert read.rows.dtype == np.float32
    # A sparse row leaves zeros out, and with them the sign of a negative one.
    np.testing.assert_array_equal(read.rows, rows)
    assert read.identities is None


def read_pairs(content_type: str, body: bytes) -> list[tuple[float, float]]:
    """Read an answer the way its clients do."""
    match content_type:
        case "text/csv":
            lines = [line.split(",") for line in body.decode().splitlines()]
            return [(float(label), float(distance)) for label, distance in lines]
        case "application/x-recordio-protobuf":
            records = map(Record.FromString, frames.split_frames(body))
            labels = [record.label for record in records]
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
    identities = [Identity(f"u{label}", None) for label in labels] if identified else None
    body = CODECS[content_type].encode(Predictions(labels, distances, identities))
    assert read_pairs(content_type, body) == list(zip(labels.tolist(), distances.tolist(), strict=True))


def test_recordio_with_and_without_the_table_of_bytes() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    body = WRITERS[RECORDIO](rows)
    codec = CODECS[RECORDIO]
    np.testing.assert_array_equal(codec.decode(body, 3).rows, rows)
    # One record that says more is enough to take the other way.
    record = frames.dense_record(rows[0])
    record.uid = "a"
    read = codec.decode(body + frames.encode([record]), 3)
    np.testing.assert_array_equal(read.rows, rows[[0, 1, 2, 3, 0]])
    assert read.identities is not None
    assert list(read.identities) == [Identity(None, None)] * 4 + [Identity("a", None)]


@pytest.mark.parametrize("feature_dim", [3, 30])
def test_every_byte_of_a_plain_record_counts(feature_dim: int) -> None:
    """Read a frame that differs in one bit from the plain form, padding included, as the protobuf library does."""
    whole = WRITERS[RECORDIO](np.ones((3, feature_dim), dtype=np.float32))
    frame_bytes = len(whole) // 3

    def outcome(decode: Callable[[bytes, int], NDArray[np.float32]], body: bytes) -> object:
        try:
            return decode(body, feature_dim).tolist()
        except FormatError as error:
            return str(error)

    for position in range(frame_bytes, 2 * frame_bytes):
        body = bytearray(whole)
        body[position] ^= 1
        expected = outcome(lambda body, feature_dim: frames.decode(body, feature_dim)[0], bytes(body))
        got = outcome(lambda body, feature_dim: CODECS[RECORDIO].decode(body, feature_dim).rows, bytes(body))
        assert got == expected, position


def test_sparse_instances_cannot_ask_for_memory_without_end() -> None:
    sparse = {"data": {"features": {"keys": [0], "shape": [10**9], "values": [1]}}}
    with pytest.raises(FormatError, match="expected at most 268435456 values in all, got 2000000000"):
        instances.rows([sparse, sparse], 10**9, "instance")


@pytest.fixture(scope="session")
def client(base: Path) -> FlaskClient:
    return create_app(ServedModel(base / "model"), 1 << 20).test_client()


def fragments(*pieces: bytes) -> st.SearchStrategy[bytes]:
    """Give bytes that get past the first checks of a format now and then."""
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
