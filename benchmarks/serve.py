"""Serving under load: `make bench-serve`. It needs wrk (Debian's package of that name).

The contenders run behind the same gunicorn settings and get the same requests: `serve`; a Flask view that reads the
body and answers "ok", the lower bound of this stack; and a Flask view around scikit-learn's KMeans.predict. For each
payload the contenders take turns, so that a slow minute of the machine affects all of them.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import RESULTS, machine, page
from benchmarks.serve_faults import faults
from benchmarks.serve_rates import rates
from container.artifacts.model import SavedModel, save
from container.formats.recordio.records import dense_record, encode
from container.resources import cpu_count
from tools.documents import ROOT
from tools.model_churn import churn, write_models
from tools.ports import free_port
from tools.server_process import children, wait_until

CONNECTIONS, LARGE_CONNECTIONS = 32, 4
FEATURES, CLUSTERS = 50, 10
LARGE_BYTES = 6_000_000
CSV, JSON, RECORDIO = "text/csv", "application/json", "application/x-recordio-protobuf"


@dataclass(frozen=True)
class Payload:
    """The body of a request, which is sent repeatedly."""

    name: str
    content_type: str
    body: bytes

    @property
    def connections(self) -> int:
        """The number of concurrent connections: fewer for large bodies, which would only queue."""
        return CONNECTIONS if len(self.body) < 1 << 20 else LARGE_CONNECTIONS

    def script(self, folder: Path) -> Path:
        """Write a script for wrk that sends the body, and return its path."""
        body = folder / f"{self.name.replace(' ', '-')}.body"
        body.write_bytes(self.body)
        script = body.with_suffix(".lua")
        script.write_text(
            f'local file = io.open("{body}", "rb")\n'
            'wrk.method, wrk.body = "POST", file:read("*a")\n'
            f'wrk.headers["Content-Type"], wrk.headers["Accept"] = "{self.content_type}", "{self.content_type}"\n'
        )
        return script


@dataclass(frozen=True)
class Contender:
    """A running server."""

    name: str
    process: "subprocess.Popen[bytes]"
    port: int
    seconds_to_ready: float

    def workers(self) -> list[int]:
        return children(self.process.pid)

    def memory(self, kind: str = "Pss") -> list[float]:
        """Return the MB of each worker: Pss counts its share of shared pages, Private only its own pages."""
        return [_smaps(pid, kind) for pid in self.workers()]


def payloads() -> list[Payload]:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((20_000, FEATURES), np.float32)
    lines = [",".join(map(repr, row)) + "\n" for row in rows.tolist()]
    csv = "".join(lines).encode()
    records = encode(map(dense_record, rows))
    frame = len(records) // len(rows)
    document = json.dumps({"instances": [{"features": row} for row in rows[:100].tolist()]})
    cut = csv.rfind(b"\n", 0, LARGE_BYTES) + 1
    return [
        Payload("1 row CSV", CSV, lines[0].encode()),
        Payload("100 rows JSON", JSON, document.encode()),
        Payload("6 MB CSV", CSV, csv[:cut]),
        Payload("6 MB RecordIO", RECORDIO, (records * 2)[: LARGE_BYTES // frame * frame]),
    ]


@contextmanager
def running(name: str, command: Sequence[str | Path], port: int, **environment: str) -> Iterator[Contender]:
    """Start a server; it is ready when /ping returns 200."""
    log = tempfile.TemporaryFile()  # noqa: SIM115  the process holds it
    began = time.perf_counter()
    given = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=os.environ | given | environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: _ping(port), 60)
        yield Contender(name, process, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(40)
        log.close()


def contender(name: str, base: Path) -> Any:
    """Return a context in which one of the three contenders runs."""
    port = free_port()
    if name == "serve":
        return running(name, [ROOT / "serve"], port, SAGEMAKER_BASE_DIR=str(base), SAGEMAKER_BIND_TO_PORT=str(port))
    settings = ["--workers", str(cpu_count()), "--worker-class", "gthread", "--threads", "256", "--keep-alive", "65"]
    app = {"bare Flask": "bare()", "scikit-learn": f"sklearn({str(base)!r})"}[name]
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = ["gunicorn", "--preload", "--bind", f"127.0.0.1:{port}", *settings, f"benchmarks.serve_contenders:{app}"]
    return running(name, command, port, **threads)


@dataclass(frozen=True)
class Load:
    """The figures that wrk reports; latencies are milliseconds."""

    rate: float
    p50: float
    p99: float
    requests: int
    failures: int


def wrk(port: int, script: Path, seconds: int, connections: int = CONNECTIONS) -> Load:
    """Send requests for a number of seconds; failures are responses other than 200, and socket errors."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    url = f"http://127.0.0.1:{port}/invocations"
    arguments = ["-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "60", "--latency", "-s", str(script), url]
    text = subprocess.run(["wrk", *arguments], capture_output=True, text=True, check=True).stdout
    failures = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", text)))
    for counts in re.findall(r"Socket errors: (.*)", text):
        failures += sum(map(int, re.findall(r"\d+", counts)))
    found = re.search(r"(\d+) requests in", text)
    return Load(
        float(re.findall(r"Requests/sec:\s+([\d.]+)", text)[0]),
        _milliseconds(re.findall(r"^ +50%\s+(\S+)", text, re.MULTILINE)[0]),
        _milliseconds(re.findall(r"^ +99%\s+(\S+)", text, re.MULTILINE)[0]),
        int(found[1]) if found else 0,
        failures,
    )


def compare(base: Path, seconds: int, turns: int) -> list[dict[str, Any]]:
    """Measure rates and latencies of all contenders for each payload; medians over turns.

    Payloads have 50 columns. There are 32 concurrent connections, or 4 for payloads of 6 MB.
    """
    names = ("serve", "bare Flask", "scikit-learn")
    rows = []
    with ExitStack() as stack:
        running_ones = [stack.enter_context(contender(name, base)) for name in names]
        for payload in payloads():
            script = payload.script(base)
            # Long enough for a few responses of the slowest contender.
            duration = seconds if payload.connections == CONNECTIONS else max(seconds, 10)
            loads: dict[str, list[Load]] = {name: [] for name in names}
            for one in running_ones:
                wrk(one.port, script, 1, payload.connections)
            for _ in range(turns):
                for one in running_ones:
                    loads[one.name].append(wrk(one.port, script, duration, payload.connections))
            rates = {name: statistics.median(load.rate for load in given) for name, given in loads.items()}
            for name, given in loads.items():
                rows.append(
                    {
                        "payload": payload.name,
                        "server": name,
                        "requests/s": round(rates[name], 1),
                        "MB/s": round(rates[name] * len(payload.body) / 1e6, 1),
                        "p50 ms": round(statistics.median(load.p50 for load in given), 1),
                        "p99 ms": round(statistics.median(load.p99 for load in given), 1),
                        "failures": sum(load.failures for load in given),
                        "serve / this": round(
                            statistics.median(
                                ours.rate / other.rate for ours, other in zip(loads["serve"], given, strict=True)
                            ),
                            2,
                        ),
                    }
                )
    return rows


def start_up(base: Path, turns: int) -> list[dict[str, Any]]:
    """Measure the time to the first 200 on /ping, and the memory at that time."""
    rows = []
    for name in ("serve", "bare Flask", "scikit-learn"):
        seconds, shared, own = [], [], []
        for _ in range(turns):
            with contender(name, base) as server:
                seconds.append(server.seconds_to_ready)
                shared += server.memory("Pss")
                own += server.memory("Private")
        rows.append(
            {
                "server": name,
                "ready after s": round(statistics.median(seconds), 2),
                "slowest s": round(max(seconds), 2),
                "MB a worker (Pss)": round(statistics.median(shared), 1),
                "of its own": round(statistics.median(own), 1),
            }
        )
    return rows


def soak(base: Path, seconds: int) -> list[dict[str, Any]]:
    """Send each payload for long to one server, over up to 32 connections; growth of memory is after a warm-up."""
    rows = []
    with contender("serve", base) as server:
        scripts = [(payload, payload.script(base)) for payload in payloads()]
        for payload, script in scripts:
            wrk(server.port, script, max(4, seconds // 5))
            before = sum(server.memory("Rss"))
            load = wrk(server.port, script, seconds)
            rows.append(
                {
                    "payload": payload.name,
                    "seconds": seconds,
                    "requests": load.requests,
                    "failures": load.failures,
                    "p99 ms": round(load.p99, 1),
                    "growth MB, all workers": round(sum(server.memory("Rss")) - before, 1),
                }
            )
    return rows


def many_models(seconds: int) -> list[dict[str, Any]]:
    """Load, invoke and unload 50 models at random from 8 threads."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write_models(base, 50)
        port = free_port()
        environment = {
            "SAGEMAKER_MULTI_MODEL": "true",
            "SAGEMAKER_BASE_DIR": folder,
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEMAKER_KMEANS_WORKERS": "4",
        }
        with running("serve", [ROOT / "serve"], port, **environment) as server:
            outcome = churn(port, base, models=50, threads=8, seconds=seconds)
            workers = len(server.workers())
    return [
        {
            "models": 50,
            "workers": workers,
            "threads": 8,
            "seconds": seconds,
            "right answers": outcome.answered,
            "loads": outcome.loaded,
            "unloads": outcome.unloaded,
            "404 and 409": outcome.unknown,
            "wrong": len(outcome.wrong),
        }
    ]


def main() -> None:
    """Run the named measurements; print tables, and write them to `results/`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    parser.add_argument(
        "what", nargs="*", help="compare, rates, start, faults, soak, models (default: all except soak)"
    )
    parser.add_argument("--seconds", type=int, default=0, help="seconds of each measurement")
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    what = given.what or ["compare", "rates", "start", "faults", "models"]
    facts = machine() | {"clusters": CLUSTERS}
    with tempfile.TemporaryDirectory(prefix="kmeans-serve-") as folder:
        base = Path(folder)
        centers = np.random.default_rng(1).standard_normal((CLUSTERS, FEATURES), np.float32)
        save(base / "model", "algo-1", SavedModel(centers))
        parts = {
            "compare": lambda: compare(base, given.seconds or 4, given.turns),
            "rates": lambda: rates(given.turns),
            "start": lambda: start_up(base, given.turns),
            "faults": lambda: faults(given.turns),
            "soak": lambda: soak(base, given.seconds or 150),
            "models": lambda: many_models(given.seconds or 60),
        }
        for name in what:
            _keep(name, parts[name](), facts)


def _keep(name: str, rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    measures: dict[str, Callable[..., object]] = {
        "compare": compare,
        "rates": rates,
        "start": start_up,
        "faults": faults,
        "soak": soak,
        "models": many_models,
    }
    text = page(f"Serving: {name}", measures[name], rows, facts)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"serve-{name}.md").write_text(text)
    (RESULTS / f"serve-{name}.json").write_text(json.dumps({"machine": facts, "results": rows}, indent=2) + "\n")
    sys.stdout.write(text + "\n")


def _ping(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _smaps(pid: int, kind: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    names = ("Private_Clean", "Private_Dirty") if kind == "Private" else (kind,)
    return sum(int(line.split()[1]) for line in lines if line.split(":")[0] in names) / 1024


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[unit]


if __name__ == "__main__":
    main()
