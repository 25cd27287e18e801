"""Any bytes through the application: a response or a sentence."""

import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from container.serving.app import create_app
from container.serving.model import ServedModel
from container.serving.settings import ServingSettings
from tests.container.serving.codecs.bodies import read_pairs
from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO


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
