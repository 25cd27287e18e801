"""Random loads, requests and unloads of the models of a multi-model endpoint, from many threads."""

import json
import random
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from container.artifacts.model import SavedModel, save


@dataclass
class Outcome:
    """The number of requests by result, and every wrong answer."""

    answered: int = 0
    unknown: int = 0
    loaded: int = 0
    unloaded: int = 0
    wrong: list[str] = field(default_factory=list)


def write_models(base: Path, count: int, features: int = 1) -> None:
    """Write models m0, m1, ... under `base`/models; all coordinates of the only center of model i are i."""
    for number in range(count):
        centers = np.full((1, features), number, np.float32)
        save(base / "models" / f"m{number}" / "model", "algo-1", SavedModel(centers))


def churn(
    port: int, base: Path, *, models: int, threads: int, requests: int | None = None, seconds: float | None = None
) -> Outcome:
    """Load, invoke and unload models at random from several threads, for a number of requests or of seconds."""
    outcome = Outcome()
    lock = threading.Lock()
    ends = None if seconds is None else time.monotonic() + seconds

    def run(seed: int) -> None:
        rng = random.Random(seed)
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        done = 0
        while done < requests // threads if requests is not None else time.monotonic() < (ends or 0):
            done += 1
            _one_request(connection, base, rng, rng.randrange(models), outcome, lock)
        connection.close()

    workers = [threading.Thread(target=run, args=(seed,)) for seed in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return outcome


def _one_request(
    connection: HTTPConnection, base: Path, rng: random.Random, number: int, outcome: Outcome, lock: threading.Lock
) -> None:
    action = rng.choices(("invoke", "load", "unload"), (8, 1, 1))[0]
    match action:
        case "invoke":
            headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
            connection.request("POST", f"/models/m{number}/invoke", b"0\n", headers)
        case "load":
            url = str(base / "models" / f"m{number}" / "model")
            connection.request("POST", "/models", json.dumps({"model_name": f"m{number}", "url": url}))
        case _:
            connection.request("DELETE", f"/models/m{number}")
    response = connection.getresponse()
    body = response.read()
    with lock:
        match action, response.status:
            case "invoke", 200 if body == b"0.0,%d.0\n" % number:
                outcome.answered += 1
            case "load", 200:
                outcome.loaded += 1
            case "unload", 200:
                outcome.unloaded += 1
            case ("invoke" | "unload", 404) | ("load", 409):
                outcome.unknown += 1
            case _:
                outcome.wrong.append(f"{action} of m{number}: {response.status} {body[:200]!r}")
