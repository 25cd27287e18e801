"""Any model into `serve`: it is served as it is, or a sentence says why not; no model hinders another one."""

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from random import Random

import numpy as np
import pytest

from tests.container.fuzz import leftovers, tallies
from tests.container.fuzz.fork_server import ForkServer
from tests.container.fuzz.kinds import put_odd_kind
from tests.container.fuzz.trees import removed
from tests.container.serving.wire import CSV, JSON, TEXT
from tools.ports import free_port
from tools.server_process import Answer, ServerProcess, serving

# A server that has not answered by then hangs.
ANSWER_SECONDS = 30.0


def lay_down(folder: Path, earlier: Path, rng: Random) -> str:
    """Put a model into a folder, in which something may be odd; say what is there then."""
    shutil.copytree(earlier / "model", folder)
    leftovers.change_model(folder, rng)
    said = ""
    if rng.random() < 0.2:
        said = put_odd_kind(rng, folder / rng.choice(("model_algo-1", "model.tar.gz", "kmeans.json", "model_x")))
    return f"{sorted(path.name for path in folder.iterdir())} {said}"


def fault_of_answer(answer: Answer) -> str:
    """Return what is wrong with an answer to rows."""
    if answer.status == 200:
        predictions = json.loads(answer.body, parse_constant=str)["predictions"]
        found = np.array([[row["closest_cluster"], row["distance_to_cluster"]] for row in predictions], np.float64)
        return "" if np.isfinite(found).all() else f"answer {answer.body!r}"
    if answer.status in (400, 404, 503, 507) and answer.content_type == TEXT and len(answer.body) > 10:
        return ""
    return f"status {answer.status}: {answer.body[:200]!r}"


def served(base: Path, server: ForkServer) -> str:
    """Start `serve`, ask it and end it; say what is wrong."""
    port = free_port()
    environment = {
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    }
    pid = server.start("serve", [], environment, base / "log", 4 * ANSWER_SECONDS)
    wrong = _fault_of_answers(pid, port)
    terminated = _terminated(pid)
    ended = server.ended()
    if wrong:
        return wrong
    # What is wrong with a model is logged with a traceback, after a sentence.
    raised = re.findall(r"^([\w.]+(?:Error|Exception))(?::|$)", ended.log, re.MULTILINE)
    if raised and not (raised[-1].endswith(".ModelError") and "No model is served: " in ended.log):
        return f"a traceback of {raised[-1]}"
    if terminated:
        return "" if ended.exit_code == 0 else f"exit code {ended.exit_code} after SIGTERM"
    return "" if ended.exit_code in (2, 3) and "Error: " in ended.log else f"exit code {ended.exit_code}"


def _terminated(pid: int) -> bool:
    """Send SIGTERM; return whether the process was still there."""
    # One that has ended is still there for its parent, who waits for it at this moment.
    state = Path(f"/proc/{pid}/stat")
    try:
        if state.read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        os.kill(pid, signal.SIGTERM)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


def _fault_of_answers(pid: int, port: int) -> str:
    """Wait for an answer to /ping, and ask for a prediction."""
    ends = time.monotonic() + ANSWER_SECONDS
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > ends:
            return "hang: no answer to /ping"
        try:
            ping = _ask(port, "GET", "/ping", b"")
        except ConnectionError:
            time.sleep(0.01)
            continue
        except TimeoutError:
            return "hang: no answer to /ping"
        answer = _ask(port, "POST", "/invocations", b"0,0\n")
        if ping.status not in (200, 503):
            return f"status {ping.status} of /ping"
        if ping.status == 503 and answer.status != 503:
            return f"status {answer.status} although /ping answers 503"
        return fault_of_answer(answer)
    return ""


def _ask(port: int, method: str, path: str, body: bytes) -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, body, {"Content-Type": CSV})
        response = connection.getresponse()
        return Answer(response.status, response.headers.get("Content-Type", ""), response.read())
    finally:
        connection.close()


def test_any_model_is_served_or_refused_with_a_sentence(tmp_path: Path, earlier: Path, server: ForkServer) -> None:
    found: dict[str, str] = {}
    for seed in tallies.seeds(few=3, share=0.1):
        base = tmp_path / "tree"
        base.mkdir()
        what = lay_down(base / "model", earlier, Random(f"serve {seed}"))
        wrong = served(base, server)
        removed(base)
        if wrong:
            found.setdefault(tallies.kind(wrong), f"seed {seed}, {what}: {wrong}")
    assert not found, f"{len(found)} kinds of faults:\n" + "\n".join(found.values())


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[tuple[Path, ServerProcess]]:
    base = tmp_path / "endpoint"
    (base / "models").mkdir(parents=True)
    with serving(base, SAGEMAKER_MULTI_MODEL="true", SAGEMAKER_MODEL_SERVER_WORKERS="2") as running:
        yield base, running


def loaded(running: ServerProcess, path: Path) -> str:
    """Load, ask and unload one model; say what is wrong."""
    body = json.dumps({"model_name": "m", "url": str(path)}).encode()
    try:
        answer = running.request("POST", "/models", body, Content_Type=JSON)
        if answer.status != 200:
            return fault_of_answer(answer)
        wrong = fault_of_answer(running.request("POST", "/models/m/invoke", b"0,0\n", Content_Type=CSV))
        unloaded = running.request("DELETE", "/models/m").status
    except TimeoutError:
        return "hang"
    return wrong or ("" if unloaded == 200 else f"status {unloaded} of DELETE")


def test_any_model_is_loaded_or_refused_with_a_sentence(
    tmp_path: Path, earlier: Path, endpoint: tuple[Path, ServerProcess]
) -> None:
    base, running = endpoint
    found: dict[str, str] = {}
    for seed in tallies.seeds(few=30, share=0.1):
        # A folder of its own: what hangs, hangs there.
        folder = base / "models" / f"{seed}"
        what = lay_down(folder, earlier, Random(f"load {seed}"))
        wrong = loaded(running, folder)
        removed(folder)
        if wrong:
            found.setdefault(tallies.kind(wrong), f"seed {seed}, {what}: {wrong}")
            if wrong == "hang":
                break
    assert not found, f"{len(found)} kinds of faults:\n" + "\n".join(found.values())
    assert "Traceback" not in running.log()
