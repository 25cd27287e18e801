"""Clients that are slow, broken or many, and workers that die: none of them stops the others."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from container.artifacts.model import SavedModel, save
from container.resources import cpu_count
from tests.container.serving.wire import CSV, JSON
from tools.load import Load
from tools.server_process import Answer, ServerProcess, serving, wait_until

HEAD = b"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\nAccept: text/csv\r\n"
# More than a fixed pool of a few threads for each worker could wait for.
CLIENTS = 100


def connected(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def status(client: socket.socket) -> bytes:
    return client.makefile("rb").readline()[9:12]


@contextmanager
def clients(server: ServerProcess, sent: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that have sent so much and no more."""
    with ExitStack() as stack:
        opened = [stack.enter_context(connected(server)) for _ in range(CLIENTS)]
        for client in opened:
            client.sendall(sent)
        yield opened


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /invoc",
        HEAD,
        HEAD + b"Content-Length: 6\r\n\r\n",
        HEAD + b"Content-Length: 6\r\n\r\n1,2",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n6\r\n1,2",
        # Far more than is ever sent.
        HEAD + b"Content-Length: 99999999\r\n\r\n" + b"1,2,5\n" * 1000,
    ],
)
def test_clients_that_stop_during_a_request_block_nobody(server: ServerProcess, sent: bytes) -> None:
    with clients(server, sent):
        for _ in range(20):
            began = time.monotonic()
            assert server.request("GET", "/ping").status == 200
            assert server.invoke(b"1,2,5\n", CSV, CSV) == Answer(200, CSV, b"1.0,3.0\n")
            # What the platform allows for /ping alone.
            assert time.monotonic() - began < 2


def test_slow_clients_are_answered_in_the_end(server: ServerProcess) -> None:
    """One byte at a time, and each waits for the others to have sent theirs."""
    body = b"1,2,5\n"
    with clients(server, HEAD + b"Content-Length: 6\r\n\r\n") as opened:
        for position in range(len(body)):
            for client in opened:
                client.sendall(body[position : position + 1])
            assert server.request("GET", "/ping").status == 200
        assert {status(client) for client in opened} == {b"200"}


def test_half_closed_connections_are_answered(server: ServerProcess) -> None:
    for body, expected in ((b"1,2,5\n", b"200"), (b"1,2", b"400")):
        with connected(server) as client:
            client.sendall(HEAD + b"Content-Length: 6\r\n\r\n" + body)
            client.shutdown(socket.SHUT_WR)
            assert status(client) == expected


def test_clients_that_disconnect_leave_nothing_open(server: ServerProcess) -> None:
    for _ in range(50):
        with connected(server) as client:
            client.sendall(HEAD + b"Content-Length: 6000000\r\n\r\n1,2")
            # The connection is reset, not closed.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert server.invoke(b"1,2,5\n", CSV, CSV) == Answer(200, CSV, b"1.0,3.0\n")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"X-Long: " + b"a" * 10_000 + b"\r\n", b"431"),
        (b"".join(b"X-%d: a\r\n" % number for number in range(200)), b"431"),
        (b"Content-Length: 6\r\nContent-Length: 7\r\n", b"400"),
        (b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"400"),
        (b"Content-Length: -6\r\n", b"400"),
        (b"Content-Length: 1" + b"0" * 30 + b"\r\n", b"413"),
        (b"Content-Length: six\r\n", b"400"),
    ],
)
def test_heads_that_cannot_be(server: ServerProcess, head: bytes, expected: bytes) -> None:
    with connected(server) as client:
        client.sendall(HEAD + head + b"\r\n")
        assert status(client) == expected
    assert server.request("GET", "/ping").status == 200


def test_an_oversized_request_line(server: ServerProcess) -> None:
    with connected(server) as client:
        client.sendall(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n")
        assert status(client) in (b"400", b"414")
    assert server.request("GET", "/ping").status == 200


def test_ping_is_answered_while_all_workers_compute(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    save(tmp_path / "model", "algo-1", SavedModel(rng.standard_normal((500, 20), dtype=np.float32)))
    csv = b"0," * 19 + b"0\n"
    line = b'{"features": [' + b"0, " * 19 + b"0]}, "
    bodies = ((CSV, csv * 100_000), (JSON, b'{"instances": [' + line * 60_000 + line[:-2] + b"]}"))
    with serving(tmp_path) as server, ThreadPoolExecutor(8) as pool:
        busy = [pool.submit(server.invoke, body, kind) for kind, body in bodies for _ in range(2 * cpu_count())]
        seconds = []
        while not all(one.done() for one in busy):
            began = time.monotonic()
            assert server.request("GET", "/ping").status == 200
            seconds.append(time.monotonic() - began)
        assert {one.result().status for one in busy} == {200}
    assert len(seconds) > 5
    assert max(seconds) < 2


def test_a_worker_that_is_killed_takes_only_its_own_requests_along(base: Path) -> None:
    with serving(base) as server:
        wait_until(lambda: len(server.workers()) == cpu_count())
        before = server.workers()
        threads = 8
        with Load(server, threads) as load:
            wait_until(lambda: load.answered > 200)
            victim = min(before)
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: victim not in server.workers() and len(server.workers()) == len(before))
            enough = load.answered + 200
            wait_until(lambda: load.answered > enough)
        assert load.wrong == []
        assert load.refused == 0
        # Each of the threads had one request at most with the worker that died.
        assert load.broken <= threads
        assert server.request("GET", "/ping").status == 200


@pytest.mark.parametrize("keep", [True, False])
def test_every_accepted_request_is_answered_when_the_server_is_stopped(base: Path, keep: bool) -> None:
    with serving(base) as server:
        with Load(server, 8, keep) as load:
            wait_until(lambda: load.answered > 200)
            server.terminate()
            wait_until(lambda: load.refused == 8)
        assert server.process.wait(timeout=30) == 0
        assert load.wrong == []
        assert load.broken == 0, f"{load.answered} answered"


def test_each_worker_shares_the_models_memory(tmp_path: Path) -> None:
    """The model is loaded before the workers are forked."""
    save(tmp_path / "model", "algo-1", SavedModel(np.ones((2000, 2000), np.float32)))
    with serving(tmp_path) as server:
        own = []
        for pid in server.workers():
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            own.append(sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) >> 10)
        assert server.log().count("Serving a model of 2000 clusters") == 1
    # In float64 it takes 64 MB, in MB here.
    assert max(own) < 60, own
