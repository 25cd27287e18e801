"""Bodies that are cut short, malformed or too long, against a running server."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from container.serving.app import create_app
from container.serving.model import ServedModel
from container.serving.settings import ServingSettings
from tests.container.serving.wire import CSV, JSON
from tools.server_process import Answer, ServerProcess, serving

LINES = b"0,0,0\n" * 10_000


@pytest.fixture(scope="module")
def small_server(base: Path) -> Iterator[ServerProcess]:
    """Run a server that takes 1 MiB."""
    with serving(base, SAGEMAKER_MAX_PAYLOAD_IN_MB="1") as server:
        yield server


def status_of(server: ServerProcess, head: str, body: bytes) -> int:
    """Send bytes as they are, then nothing more, and return the status of the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        start = f"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: {CSV}\r\n{head}\r\n\r\n"
        client.sendall(start.encode() + body)
        client.shutdown(socket.SHUT_WR)
        return int(client.makefile("rb").readline().split()[1])


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        ("Content-Length: 6", b"0,0,0\n", 200),
        ("Content-Length: 12", b"0,0,0\n", 400),
        ("Content-Length: 12", b"", 400),
        ("Content-Length: 0", b"", 400),
        ("Transfer-Encoding: chunked", b"6\r\n0,0,0\n\r\n0\r\n\r\n", 200),
        ("Transfer-Encoding: chunked", b"6\r\n0,0,0\n\r\n", 400),
        ("Transfer-Encoding: chunked", b"6\r\n0,0,0\n", 400),
        ("Transfer-Encoding: chunked", b"c\r\n0,0,0\n", 400),
        ("Transfer-Encoding: chunked", b"x\r\n0,0,0\n\r\n0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked", b"0\r\n\r\n", 400),
    ],
)
def test_a_body_is_whole_or_refused(server: ServerProcess, head: str, body: bytes, status: int) -> None:
    assert status_of(server, head, body) == status


def test_a_body_of_a_stated_length_that_is_too_long(small_server: ServerProcess) -> None:
    # Refused before it is sent.
    assert status_of(small_server, f"Content-Length: {(1 << 20) + 1}", b"") == 413
    assert small_server.invoke(b"0,0,0\n" * 170_000, CSV).status == 200


@pytest.mark.parametrize(("chunks", "status"), [(17, 200), (18, 413)])
def test_a_chunked_body_that_is_too_long(small_server: ServerProcess, chunks: int, status: int) -> None:
    """A body cut at the bound would be a good one of fewer rows."""
    body = iter([LINES] * chunks)
    assert small_server.request("POST", "/invocations", body, Content_Type=CSV).status == status


@pytest.fixture(scope="module")
def boundless_server(base: Path) -> Iterator[ServerProcess]:
    """Run a server that takes any length, and prefers CSV."""
    with serving(base, SAGEMAKER_MAX_PAYLOAD_IN_MB="0", SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv") as server:
        yield server


def test_no_bound(boundless_server: ServerProcess) -> None:
    # More than what is the bound elsewhere, which would refuse it before it is sent.
    assert status_of(boundless_server, f"Content-Length: {(100 << 20) + 1}", LINES) == 400
    row = b"0." + b"0" * (1 << 19) + b",0,0\n"
    body = iter([row] * 210)
    answer = boundless_server.request("POST", "/invocations", body, Content_Type=CSV)
    assert answer == Answer(200, CSV, b"0.0,0.0\n" * 210)


@pytest.mark.parametrize(("accept", "expected"), [(None, CSV), ("*/*", CSV), (JSON, JSON)])
def test_the_answer_of_a_client_without_a_preference(
    boundless_server: ServerProcess, accept: str | None, expected: str
) -> None:
    assert boundless_server.invoke(b"0,0,0\n", CSV, accept).content_type == expected


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        # One line, record or document after the other may be longer than what is held; alone they may not.
        (CSV, b"0.%b,0,0\n" % (b"0" * 600) * 3000, 200),
        (CSV, b"0.%b,0,0\n" % (b"0" * (3 << 20)), 413),
        (JSON, b"[[0,0,0]%b]" % (b" " * (3 << 20)), 413),
        # The answer is held until the last row is known to be good.
        (CSV, b"0,0,0\n" * 300_000, 413),
    ],
)
def test_memory_is_the_bound_where_length_is_not(base: Path, content_type: str, body: bytes, status: int) -> None:
    settings = ServingSettings(max_payload_bytes=None, max_held_bytes=2 << 20)
    client = create_app(ServedModel(base / "model"), settings).test_client()
    answer = client.post("/invocations", data=body, content_type=content_type)
    assert answer.status_code == status
    if status == 413:
        assert answer.get_data(as_text=True) == (
            "expected an answer, and a record or JSON document, of at most 2097152 bytes, got more\n"
        )
