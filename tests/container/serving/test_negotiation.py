"""The choice of codecs by headers."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import NotAcceptable, UnsupportedMediaType

from container.serving.codecs import CODECS
from container.serving.negotiation import request_codec, response_codec
from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("  ", JSON),
        ("*/*", JSON),
        ("*", JSON),
        ("application/*", JSON),
        ("text/*", CSV),
        ("Text/CSV", CSV),
        ("application/jsonlines", JSON_LINES),
        ("application/x-recordio-protobuf", RECORDIO),
        ("application/json; verbose=true", JSON),
        ("text/csv; charset=utf-8; q=0.3, application/json; q=0.2", CSV),
        ("application/json;q=0.2,text/csv;q=0.3", CSV),
        ("text/csv, application/json", CSV),
        ("application/json, text/csv", JSON),
        ("*/*, text/csv", CSV),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON),
        ("*/*, application/json;q=0", JSON_LINES),
        ("application/*;q=0, */*;q=0.1", CSV),
        ("application/*;q=0.1, application/x-recordio-protobuf;q=0.05, text/csv;q=0.01", JSON),
        ("text/csv;q=high, application/jsonlines;q=0.1", JSON_LINES),
        ("text/csv;q=nan, application/jsonlines;q=0.1", JSON_LINES),
        ("text/csv;q=2, application/jsonlines;q=0.1", JSON_LINES),
        ("text/csv; charset=iso-8859-1", CSV),
        ("text/csv; charset=utf-16, application/jsonlines;q=0.1", JSON_LINES),
    ],
)
def test_accept(accept: str, expected: str) -> None:
    assert expected == response_codec(accept).MEDIA_TYPE


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", CSV),
        ("*/*", CSV),
        ("*/*;q=0.1", CSV),
        ("text/*", CSV),
        ("application/*", JSON),
        ("application/json", JSON),
        ("text/html, */*;q=0.8", CSV),
        ("*/*, application/jsonlines", JSON_LINES),
        ("*/*, text/csv;q=0", JSON),
    ],
)
def test_accept_where_another_type_is_the_default(accept: str, expected: str) -> None:
    assert expected == response_codec(accept, CSV).MEDIA_TYPE


@pytest.mark.parametrize(
    "accept",
    ["text/html", "*/*;q=0", "text/csv;q=0.0", "csv", "/", ",", "text/csv;q=high", "*/csv", "text/csv;charset=utf-16"],
)
def test_nothing_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=r"expected Accept application/json or .*, got "):
        response_codec(accept)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("", RECORDIO),
        (" ", RECORDIO),
        ("text/csv", CSV),
        ("TEXT/CSV;LABEL_SIZE=0", CSV),
        ("text/csv; label_size=0; charset=UTF-8", CSV),
        ("application/json;charset=us-ascii", JSON),
        ("text/csv; header=absent", CSV),
        ("text/csv; header=Present; charset=utf-8", CSV),
        ("application/json;header=maybe", JSON),
        ('text/csv; charset = "UTF8"; encoding=Utf-8', CSV),
        ("application/jsonlines; something=else", JSON_LINES),
        ("application/x-recordio-protobuf;version=1.0", RECORDIO),
    ],
)
def test_content_type(content_type: str, expected: str) -> None:
    assert expected == request_codec(content_type).MEDIA_TYPE


@pytest.mark.parametrize(
    "content_type",
    [
        "text",
        "text/*",
        "*/*",
        "application/x-npy",
        "text/csv, text/csv",
        "text/csv;label_size=-1",
        "text/csv;charset=x",
        "text/csv;charset = utf-16",
        "text/csv;encoding=utf-16",
        "application/json;encoding=latin-1;charset=utf-8",
        "application/x-recordio-protobuf;encoding=utf-16",
        "text/csv;label_size = 1",
        "text/csv;header=maybe",
    ],
)
def test_unsupported_content_type(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=r"expected .*, got '"):
        request_codec(content_type)


@settings(max_examples=200)
@given(st.text(st.sampled_from('*/;,=q01." ajtx-') | st.characters(max_codepoint=255), max_size=60))
def test_any_header_gives_a_codec_or_a_refusal(header: str) -> None:
    for choose, refusal in ((request_codec, UnsupportedMediaType), (response_codec, NotAcceptable)):
        with suppress(refusal):
            assert choose(header) in CODECS.values()
