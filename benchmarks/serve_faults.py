"""Requests while a worker is killed, and while `serve` ends: `python -m benchmarks.serve faults`."""

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from container.artifacts.model import SavedModel, save
from tools.load import CENTERS, Load
from tools.server_process import ServerProcess, serving, wait_until

CLIENTS = 32


def faults(turns: int) -> list[dict[str, Any]]:
    """Kill a worker, and end the server, under the load of 32 clients.

    A killed worker breaks the requests that it is processing, at most one for each client; SIGTERM breaks none. Clients
    that connect after SIGTERM are turned away.
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
    before = server.workers()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in server.workers() and len(server.workers()) == len(before))
