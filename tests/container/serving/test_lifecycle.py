"""How the server starts, bears load and ends."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.container.disk import room_for
from tests.container.serving.wire import CSV, TEXT
from tools.documents import ROOT
from tools.ports import free_port
from tools.server_process import ServerProcess, serving, start, wait_until

SERVE_ALL_FORMS = """
import sys
from pathlib import Path
from container.serving.app import create_app
from container.serving.model import ServedModel
from container.serving.settings import ServingSettings
import container.serving.server

client = create_app(ServedModel(Path(sys.argv[1])), ServingSettings()).test_client()
record = b"\\x0a\\x1a\\x0a\\x06values\\x12\\x10\\x12\\x0e\\x0a\\x0c" + bytes(12)
for content_type, body in {
    "text/csv": b"0,0,0\\n" * 1000,
    "application/json": b'{"instances": [{"features": [0, 0, 0]}]}',
    "application/jsonlines": b'{"features": [0, 0, 0]}',
    "application/x-recordio-protobuf": b"\\x0a\\x23\\xd7\\xce\\x1c\\0\\0\\0" + record,
}.items():
    response = client.post("/invocations", data=body, content_type=content_type, headers={"Accept": content_type})
    assert response.status_code == 200, response.data
sys.stdout.write(" ".join(sys.modules))
"""


def test_serving_loads_no_compiler_and_no_scientific_library(base: Path) -> None:
    """They take seconds to import, which a server must not."""
    done = subprocess.run(
        [sys.executable, "-c", SERVE_ALL_FORMS, base / "model"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "numpy" in loaded
    assert loaded.isdisjoint({"numba", "llvmlite", "scipy", "sklearn", "pandas"})


def test_requests_at_the_same_time_get_their_own_answers(server: ServerProcess) -> None:
    def ask(number: int) -> bool:
        rows = number % 7 + 1
        answer = server.invoke(b"1,2,%d\n" % (number + 2) * rows, CSV, CSV)
        return answer.body == b"1.0,%d.0\n" % number * rows and server.request("GET", "/ping").status == 200

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(200)))


def test_ping_answers_while_requests_wait_for_their_bodies(server: ServerProcess) -> None:
    waiting = [server.connection() for _ in range(4)]
    for connection in waiting:
        connection.putrequest("POST", "/invocations")
        connection.putheader("Content-Type", CSV)
        connection.putheader("Content-Length", "6")
        connection.endheaders(b"0,0")
    assert server.request("GET", "/ping").status == 200
    for connection in waiting:
        connection.send(b",0\n")
        assert connection.getresponse().status == 200
        connection.close()


def test_a_request_in_work_is_answered_after_sigterm(base: Path) -> None:
    with serving(base) as server:
        connection = server.connection()
        connection.putrequest("POST", "/invocations")
        connection.putheader("Content-Type", CSV)
        connection.putheader("Accept", CSV)
        connection.putheader("Content-Length", "6")
        connection.endheaders(b"1,2")
        server.terminate()
        wait_until(lambda: "Handling signal: term" in server.log())
        connection.send(b",5\n")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"1.0,3.0\n")
        connection.close()
        assert server.process.wait(timeout=30) == 0, server.log()


@pytest.mark.parametrize("stalled", [False, True], ids=["idle", "with-a-client-that-stopped-sending"])
def test_an_interrupt_from_a_terminal(base: Path, stalled: bool) -> None:
    with serving(base) as server, ExitStack() as clients:
        if stalled:
            client = clients.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.sendall(b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 100\r\n\r\n1,2")
            assert server.request("GET", "/ping").status == 200
        master = server.process.pid
        workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        for pid in (master, *map(int, workers)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        assert server.process.wait(timeout=15) == 130, server.log()
        assert "Traceback" not in server.log()


def test_a_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model_algo-1").write_bytes(b"no model at all")
    with serving(tmp_path) as server:
        for answer in (server.request("GET", "/ping"), server.invoke(b"0,0,0\n", CSV)):
            assert (answer.status, answer.content_type) == (503, TEXT)
            assert b"the model cannot be loaded: " in answer.body
            assert b"model_algo-1" in answer.body
        assert "No model is served: the model cannot be loaded: " in server.log()


def test_variables_of_other_servers_have_no_effect(base: Path) -> None:
    others = {
        "FORWARDED_ALLOW_IPS": "*",
        "GUNICORN_PID": "1",
        "PORT": "80",
        "SCRIPT_NAME": "/app",
        "SENDFILE": "perhaps",
        "WEB_CONCURRENCY": "auto",
    }
    with serving(base, **others) as server:
        assert server.invoke(b"1,2,5\n", CSV, CSV).body == b"1.0,3.0\n"
        for path in "/ping", "/app/ping":
            assert server.request("GET", path).status == (200 if path == "/ping" else 404)


def test_a_fault_in_a_file_whose_name_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model_\udcff").write_bytes(b"no model at all")
    with serving(tmp_path, PYTHONIOENCODING="utf-8:strict") as server:
        for answer in (server.request("GET", "/ping"), server.invoke(b"0,0,0\n", CSV)):
            assert (answer.status, answer.content_type) == (503, TEXT)
            assert rb"model_\udcff: " in answer.body
        assert r"cannot be loaded: " f"{tmp_path}/model: model_\\udcff: " in server.log()
        assert "--- Logging error ---" not in server.log()


@pytest.mark.parametrize(("room", "environment"), [(0, {}), (1000, {"SAGEMAKER_MULTI_MODEL": "true"})])
def test_no_room_for_temporary_files(base: Path, room: int, environment: dict[str, str]) -> None:
    given = os.environ | environment | {"SAGEMAKER_BASE_DIR": str(base), "SAGEMAKER_BIND_TO_PORT": str(free_port())}
    with room_for(room):
        done = subprocess.run(
            [sys.executable, ROOT / "serve"], env=given, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 3
    assert "Platform Error: serve needs a folder to write to, /tmp or what TMPDIR names, " in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_no_model(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert server.request("GET", "/ping").status == 503


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "http", "expected a whole number from 1 to 65535, got 'http'"),
        ("SAGEMAKER_BIND_TO_PORT", "65536", "expected a whole number from 1 to 65535, got '65536'"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "-6", "expected a whole number from 0 to 2048, got '-6'"),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/html", "expected application/json or application/jsonlines or "),
    ],
)
def test_a_setting_that_cannot_be(base: Path, tmp_path: Path, name: str, value: str, expected: str) -> None:
    log = tmp_path / "log"
    process = start(base, log, **({"SAGEMAKER_BIND_TO_PORT": str(free_port())} | {name: value}))
    assert process.wait(timeout=30) == 2
    assert "ERROR" in log.read_text()
    assert f"Customer Error: {name}: {expected}" in log.read_text()
