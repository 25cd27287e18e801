"""Every form of request and answer, as bytes, against a running server."""

import json
import socket
import struct

import pytest

from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO, answered, delimited, dense, frame, values
from tools.server_process import Answer, ServerProcess

# The rows (0.1, 0, 0), (1, 2, 5) and (-9.5, 0, 0) in every form.
REQUESTS = {
    "csv": (CSV, b"0.1,0,0\n1,2,5\n-9.5,0,0\n"),
    "csv without a last newline": (CSV, b"0.1,0,0\n1,2,5\n-9.5,0,0"),
    "csv with other line ends and empty lines after": (CSV, b"0.1,0,0\r\n1,2,5\r\n-9.5,0,0\r\n\r\n\n"),
    "csv without labels": ("text/csv; label_size=0", b"0.1,0,0\n1,2,5\n-9.5,0,0\n"),
    "csv with a header": ("text/csv; header=present", b'\xef\xbb\xbfa,"b",c\r\n0.1,0,0\n1,2,5\n-9.5,0,0\n'),
    "csv in a stated charset": ('Text/CSV;charset="UTF-8"', b"0.1,0,0\n1,2,5\n-9.5,0,0\n"),
    "json features": (
        JSON,
        b'{"instances": [{"features": [0.1, 0, 0]}, {"features": [1, 2, 5.0]}, {"features": [-9.5, 0, 0]}]}',
    ),
    "json data": (
        "application/json; charset=utf-8",
        b'{"instances": [{"data": {"features": {"values": [0.1, 0, 0]}}},'
        b' {"data": {"features": {"values": [1, 2, 5]}}}, {"data": {"features": {"values": [-9.5, 0, 0]}}}]}',
    ),
    "json of all shapes": (
        JSON,
        b'\xef\xbb\xbf{"instances": [{"data": {"features": {"keys": [0], "shape": [3], "values": [0.1]}}},'
        b' {"configuration": {}, "data": {"features": {"values": [1, 2, 5], "shape": [3]}}},'
        b' {"features": [-9.5, 0, 0], "configuration": {}}]}\n',
    ),
    "json of the page on common formats": (
        JSON,
        b'{"instances": [{"data": {"features": [0.1, 0, 0]}}, {"features": {"values": [1, 2, 5]}},'
        b' {"data": {"features": {"keys": [], "values": [-9.5, 0, 0], "shape": []}}}]}',
    ),
    "json, shapes of matrices": (
        JSON,
        b'{"instances": [{"data": {"features": {"keys": [0], "shape": [1, 3], "values": [0.1]}}},'
        b' {"data": {"features": {"values": [1, 2, 5], "shape": [1, 3]}}},'
        b' {"features": {"keys": [1, 0, 1, 0], "values": [1, -9, -1, -0.5]}}]}',
    ),
    "json, bare lists": (JSON, b"[[0.1, 0, 0], [1, 2, 5], [-9.5, 0, 0]]"),
    "json, bare lists as instances": (JSON, b' {"instances": [[0.1, 0, 0], [1, 2, 5.0], [-9.5, 0, 0]]}'),
    "json, a list of instances": (JSON, b'[{"features": [0.1, 0, 0]}, [1, 2, 5], {"features": [-9.5, 0, 0]}]'),
    "json, names beside the data": (
        JSON,
        b'{"signature": {"a": [1]}, "instances": [{"id": "a1", "features": [0.1, 0, 0]},'
        b' {"data": {"features": {"values": [1, 2, 5]}, "of": 1}, "id": [2]}, {"features": [-9.5, 0, 0], "data": "x"}],'
        b' "more": null}',
    ),
    "jsonlines features": (
        JSON_LINES,
        b'{"features": [0.1, 0, 0]}\n{"features": [1, 2, 5]}\n{"features": [-9.5, 0, 0]}\n',
    ),
    "jsonlines of all shapes": (
        JSON_LINES,
        b'{"features": [0.1, 0, 0]}\r\n{"data": {"features": {"values": [1, 2, 5]}}}\r\n'
        b'{"data": {"features": {"keys": [0], "shape": [3], "values": [-9.5]}}}',
    ),
    "jsonlines, bare lists": (JSON_LINES, b"[0.1, 0, 0]\n[1, 2, 5]\n[-9.5, 0, 0]\n"),
    "jsonlines, ids to join by": (
        JSON_LINES,
        b'{"id": "a1", "features": [0.1, 0, 0]}\n{"features": {"values": [1, 2, 5], "shape": [1, 3]}, "id": 2}\n'
        b'{"data": {"features": {"keys": [], "values": [-9.5, 0, 0], "shape": []}}, "id": {"of": [3]}}\n',
    ),
    "recordio": (RECORDIO, frame(dense(0.1, 0, 0)) + frame(dense(1, 2, 5)) + frame(dense(-9.5, 0, 0))),
    "recordio, sparse ones too": (
        RECORDIO,
        frame(delimited(1, values(2, b"\x0a\x04\xcd\xcc\xcc\x3d\x12\x01\x00\x1a\x01\x03")))
        # A float64 tensor, its first value not packed, after a label, which has no meaning here.
        + frame(
            delimited(2, values(2, b"\x0d\x00\x00\x80\x3f"))
            + delimited(1, values(3, b"\x09" + struct.pack("<d", 1) + delimited(1, struct.pack("<2d", 2, 5))))
        )
        + frame(dense(-9.5, 0, 0)),
    ),
}
ANSWERS = {
    JSON: (
        b'{"predictions": [{"closest_cluster": 0.0, "distance_to_cluster": 0.10000000149011612},'
        b' {"closest_cluster": 1.0, "distance_to_cluster": 3.0},'
        b' {"closest_cluster": 2.0, "distance_to_cluster": 0.5}]}'
    ),
    JSON_LINES: (
        b'{"closest_cluster": 0.0, "distance_to_cluster": 0.10000000149011612}\n'
        b'{"closest_cluster": 1.0, "distance_to_cluster": 3.0}\n'
        b'{"closest_cluster": 2.0, "distance_to_cluster": 0.5}\n'
    ),
    CSV: b"0.0,0.10000000149011612\n1.0,3.0\n2.0,0.5\n",
    RECORDIO: frame(answered(0, 0.1)) + frame(answered(1, 3)) + frame(answered(2, 0.5)),
}


@pytest.mark.parametrize("request_form", REQUESTS)
@pytest.mark.parametrize("accept", ANSWERS)
def test_each_form_of_request_is_answered_in_each_form(server: ServerProcess, request_form: str, accept: str) -> None:
    content_type, body = REQUESTS[request_form]
    assert server.invoke(body, content_type, accept) == Answer(200, accept, ANSWERS[accept])


@pytest.mark.parametrize(
    "body", [b"[1, 2, 5]", b"[[1, 2, 5]]", b'{"features": [1, 2, 5], "id": 7}', b'{"data": {"features": [1, 2, 5]}}']
)
@pytest.mark.parametrize("content_type", [JSON, JSON_LINES])
def test_one_row_alone(server: ServerProcess, content_type: str, body: bytes) -> None:
    assert server.invoke(body, content_type, CSV) == Answer(200, CSV, b"1.0,3.0\n")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [(None, JSON), ("", JSON), ("*/*", JSON), ("text/*, application/json;q=0.5", CSV), ("text/html, */*;q=0.1", JSON)],
)
def test_the_answer_has_the_type_that_is_accepted(server: ServerProcess, accept: str | None, expected: str) -> None:
    assert server.invoke(REQUESTS["csv"][1], CSV, accept) == Answer(200, expected, ANSWERS[expected])


def test_a_request_without_a_content_type_is_recordio(server: ServerProcess) -> None:
    assert server.request("POST", "/invocations", REQUESTS["recordio"][1]) == Answer(200, JSON, ANSWERS[JSON])
    refused = server.request("POST", "/invocations", b"0,0,0\n")
    assert refused.status == 400
    assert refused.body.endswith(b"(without a Content-Type it was read as application/x-recordio-protobuf)\n")


def test_uid_and_metadata_are_echoed_in_recordio(server: ServerProcess) -> None:
    said = delimited(3, b"abc123") + delimited(4, b"{created: '2017-06'}")
    body = frame(dense(1, 2, 5) + said) + frame(dense(0, 0, 0)) + frame(dense(0, 0, 0) + b"\x1a\x00")
    expected = frame(answered(1, 3) + said) + frame(answered(0, 0)) + frame(answered(0, 0) + b"\x1a\x00")
    assert server.invoke(body, RECORDIO, RECORDIO) == Answer(200, RECORDIO, expected)
    assert server.invoke(body, RECORDIO, CSV) == Answer(200, CSV, b"1.0,3.0\n0.0,0.0\n0.0,0.0\n")


def test_a_record_without_its_frame(server: ServerProcess) -> None:
    """As batch transform sends it when it splits RecordIO into single records."""
    said = delimited(3, b"abc123")
    rows = {
        dense(1, 2, 5) + said: b"1.0,3.0\n",
        said + dense(1, 2, 5): b"1.0,3.0\n",
        delimited(1, values(7, b"\x08\x01\x08\x02\x08\x05")) + delimited(2, values(2, b"")): b"1.0,3.0\n",
        delimited(1, values(2, b"\x0a\x04\xcd\xcc\xcc\x3d\x12\x01\x00")): b"0.0,0.10000000149011612\n",
    }
    for body, expected in rows.items():
        assert server.invoke(body, RECORDIO, CSV) == Answer(200, CSV, expected)
    # What is put together again is frames.
    body = dense(1, 2, 5) + said
    assert server.invoke(body, RECORDIO, RECORDIO) == Answer(200, RECORDIO, frame(answered(1, 3) + said))


def test_a_chunked_request(server: ServerProcess) -> None:
    body = iter([b"0.1,0,0\n1,", b"2,5\n-9.5,", b"0,0\n"])
    answer = server.request("POST", "/invocations", body, Content_Type=CSV)
    assert answer == Answer(200, JSON, ANSWERS[JSON])


def test_headers_of_the_platform_have_no_effect(server: ServerProcess) -> None:
    headers = {
        "Content_Type": CSV,
        "X_Amzn_SageMaker_Custom_Attributes": "trace=1",
        "X_Amzn_SageMaker_Target_Model": "a.tar.gz",
    }
    answer = server.request("POST", "/invocations", REQUESTS["csv"][1], **headers)
    assert answer == Answer(200, JSON, ANSWERS[JSON])


@pytest.mark.parametrize(
    "head",
    [
        "SCRIPT_NAME: /app",
        "Script_Name: /ping",
        "PATH_INFO: /app",
        "SCRIPT-NAME: /app",
        "X_FORWARDED_PREFIX: /app",
        "X-Forwarded-Prefix: /app",
        "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off",
        "CONTENT_LENGTH: 0",
        "CONTENT_TYPE: text/html",
        "Forwarded: for=x;proto=https",
        "REMOTE_USER: x",
    ],
)
def test_headers_of_proxies_have_no_effect(server: ServerProcess, head: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        start = f"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: {CSV}\r\nContent-Length: 6\r\n{head}\r\n\r\n"
        client.sendall(start.encode() + b"1,2,5\n")
        assert client.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"


def test_a_long_request_is_answered_row_by_row(server: ServerProcess) -> None:
    answer = server.invoke(b"1,2,5\n0,0,0\n" * 20_000, CSV, CSV)
    assert answer == Answer(200, CSV, b"1.0,3.0\n0.0,0.0\n" * 20_000)


def test_routes(server: ServerProcess) -> None:
    ping = server.request("GET", "/ping")
    assert (ping.status, ping.body) == (200, b"")
    assert server.request("GET", "/invocations").status == 405
    assert server.request("POST", "/ping", b"").status == 405
    assert server.request("GET", "/static/x").status == 404
    parameters = server.request("GET", "/execution-parameters")
    assert parameters[:2] == (200, JSON)
    stated = json.loads(parameters.body)
    assert stated.pop("MaxConcurrentTransforms") >= 1
    assert stated == {"BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}
