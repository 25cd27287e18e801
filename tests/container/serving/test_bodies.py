"""Bodies that are cut short, malformed or too long, against a running server."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.serving.server_process import ServerProcess, serving
from tests.container.serving.wire import CSV

LINES = b"0,0,0\n" * 10_000


@pytest.fixture(scope="module")
def small_server(base: Path) -> Iterator[ServerProcess]:
    """Run a server that takes 1 MiB."""
    with serving(base, SAGEMAKER_MAX_PAYLOAD_IN_MB="1") as server:
        yield server


def status_of(server: ServerProcess, head: str, body: bytes) -> int:
    """Send bytes as they are, then nothing more, and give the status of the answer."""
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


def test_no_bound_asked_for_is_the_bound_of_batch_transform(base: Path) -> None:
    with serving(base, SAGEMAKER_MAX_PAYLOAD_IN_MB="0") as server:
        assert status_of(server, f"Content-Length: {(100 << 20) + 1}", b"") == 413
        assert server.invoke(LINES * 18, CSV).status == 200
