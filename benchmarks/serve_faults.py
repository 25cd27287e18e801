"""What becomes of requests when a worker is killed, and when `serve` ends: `python -m benchmarks.serve faults`."""

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from container.artifacts.model import SavedModel, save
from tests.container.serving.conftest import CENTERS
from tests.container.serving.load import Load, workers
from tests.container.serving.server_process import ServerProcess, serving, wait_until

CLIENTS = 32


def faults(turns: int) -> list[dict[str, Any]]:
    """Kill a worker, and end the server, under the load of 32 clients.

    A killed worker takes along what it works on, at most one request a client; SIGTERM takes none along. A client is
    turned away when it comes after SIGTERM.
    """
    return [_fault(name, turns) for name in ("SIGKILL of a worker", "SIGTERM", "SIGTERM, a connection a request")]


def _fault(name: str, turns: int) -> dict[str, Any]:
    loads = []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder)
            save(base / "model", "algo-1", SavedModel(CENTERS))
            with serving(base) as server, Load(server, CLIENTS, keep="a request" not in name) as load:
                _wait_for_answers(load, 2000)
                if name.startswith("SIGKILL"):
                    _kill_a_worker(server)
                    _wait_for_answers(load, load.answered + 2000)
                else:
                    server.terminate()
                    wait_until(lambda: load.refused == CLIENTS)
            loads.append(load)
    return {
        "fault": name,
        "times": turns,
        "clients": CLIENTS,
        "answered": sum(load.answered for load in loads),
        "broken, at most": max(load.broken for load in loads),
        "wrong": sum(len(load.wrong) for load in loads),
        "turned away": sum(load.refused for load in loads),
    }


def _wait_for_answers(load: Load, count: int) -> None:
    wait_until(lambda: load.answered > count)


def _kill_a_worker(server: ServerProcess) -> None:
    before = workers(server)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in workers(server) and len(workers(server)) == len(before))
