"""Several hosts: the speed-up by a second host, and predictions for many large ones.

The hosts of measured jobs are processes of this machine, each pinned to its own core: `make bench-hosts`.
"""

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from benchmarks import exchanges, files, host_jobs, host_parts
from benchmarks.blobs import blobs, write_job
from benchmarks.cores_contenders import BATCH_ROWS, stream_settings
from benchmarks.exchanges import Exchanges
from benchmarks.host_parts import Parts
from benchmarks.measure import RESULTS, machine, memory_folder
from container.channels.channel import Channel
from container.channels.form import RecordForm
from container.configuration.channels import RECORDIO, ChannelConfiguration
from kmeans.communicator import Communicator, SingleHost
from kmeans.observer import MiniBatch, Silent
from kmeans.settings import TrainingSettings
from kmeans.stream import sharing
from kmeans.thread_hosts import run_hosts
from kmeans.threads import Threads
from kmeans.training import fit
from tools.markdown import table

SHORT = os.environ.get("BENCH_SHORT", "0") != "0"
RUNS, SEEDS = (2, 2) if SHORT else (6, 5)
# d, K, and the rows of all hosts together: enough for an epoch of some seconds.
SHAPES = ((50, 100, 8_000_000), (50, 1000, 2_000_000), (784, 100, 600_000), (784, 1000, 240_000))
SHORT_PART = 16
# Hosts for which to predict, their cores, and the network's Gbit/s.
HOSTS, CORES, GIGABITS = (4, 16, 64), (1, 4, 16, 36), (10, 25)
# Processes that share the cores of this machine, to check the model, and files of rows.
CROWD = 16
# Hosts whose models are compared with that of one.
COMPARED = (2, 3, 5, 16)


def main() -> None:
    """Measure; print the page, and write page and figures to `results/`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of each job (default: {RUNS})")
    runs = parser.parse_args().runs
    load = round(os.getloadavg()[0], 1)
    facts = {**machine(), "load average before": load, "runs": runs, "mini_batch_size": BATCH_ROWS}
    sums = [exchanges.measure()]
    speeds, parts = [], []
    for d, n_centers, n_rows in SHAPES:
        parts.append(host_parts.measure(d, n_centers))
        speeds.append(measure_shape(parts[-1], n_rows // SHORT_PART if SHORT else n_rows, runs))
        sums.append(exchanges.measure())
        sys.stderr.write(f"{speeds[-1]}\n")
    least = Exchanges.least(sums)
    for part, row in zip(parts, speeds, strict=True):
        for n_hosts in (1, 2, CROWD):
            cores_each = min(1.0, facts["cores"] / n_hosts)
            row[f"predicted {n_hosts}"] = round(cores_each * _rows_per_second(part, least, n_hosts) / 1e6, 3)
    shared, checkpoints = measure_shared_exchanges(), measure_checkpoints()
    predictions = [
        predicted(part, least, n_cores, gigabits) for part in parts for n_cores in CORES for gigabits in GIGABITS
    ]
    stated = ", ".join(f"{key} {value}" for key, value in facts.items())
    text = f"""# {(__doc__ or "").strip()}

{_filled(SPEEDS)}

{table(speeds)}
## Many large hosts, predicted

{_filled(PREDICTIONS)}

{_filled(least.explained())}

{table(predictions)}
### The parts of a step

{_filled(PARTS)}

{table([_row_of(part) for part in parts])}
### Sums between two hosts

{table(least.rows())}
## Mini-batches that share an exchange

{_filled(SHARED)}

{table(shared)}
## Checkpoints

One host with the largest sample writes a checkpoint every second. The share is that of one checkpoint in the default
interval.

{table([checkpoints])}
{stated}
"""
    (RESULTS / "hosts.md").write_text(text)
    content = {
        "machine": facts,
        "speeds": speeds,
        "predictions": predictions,
        "parts": [_row_of(part) for part in parts],
        "sums": least.rows(),
        "shared_exchanges": shared,
        "checkpoints": checkpoints,
    }
    (RESULTS / "hosts.json").write_text(json.dumps(content, indent=2) + "\n")
    sys.stdout.write(text)


SPEEDS = f"""
The table shows the speed of the stream on files in memory. Figures are medians of alternating runs, each of which
starts with another core; ratios are those of consecutive runs. A mini-batch has {BATCH_ROWS} rows. Communication is the
share of the stream's time that a host spends on it, including the time that it waits for the other host. Two
independent jobs of one host each show what the machine itself makes of two busy cores. Other load on the machine
affects two hosts twice, since each waits for the other. {CROWD} hosts share the cores. The last columns are what the
model below predicts, from the least times of a machine without other load.
"""
PREDICTIONS = f"""
A step of N hosts takes the time in which each computes its mini-batches, that of the exchange, and that of the end of
the step, in which centers move. Efficiency is the speed of N hosts as a part of N times that of one host, which
exchanges nothing and reads with all of its cores, too; it may exceed 100%, since a single host moves its centers after
each mini-batch. Rows come from memory. "input" is the speed at which the network could bring the rows of {HOSTS[-1]}
hosts, in addition to what they exchange, in million rows a second: if it is lower than the speed, it is the limit.
Milliseconds are those of a step of {HOSTS[-1]} hosts.
"""
PARTS = f"""
Microseconds of CPU time on one core, the least of {host_parts.MEASURED} mini-batches. The threads share reading,
computing (assigning rows and adding them up) and moving (of centers at the end of a step, comparing them, and laying
them out), as far as there are pieces of the work. One thread does sampling and ending, and hands out work, which takes
the time of a call for each further thread. "far rows" is the share of steps in which hosts exchange far rows.
"""
SHARED = f"""
Where an exchange takes long compared with a mini-batch on a large host, up to {sharing.MAX_BATCHES} mini-batches share
one (`kmeans/stream/sharing.py`). A step has at most {sharing.MAX_GROWTH:.0%} of the rows before it, so that an epoch of
little data has many steps. The table shows steps, and the msd relative to that of one host, with small data, where it
matters more. Figures are means over {SEEDS} seeds.
"""


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 120)


def _rows_per_second(
    part: Parts, sums: Exchanges, n_hosts: int, n_cores: int = 1, bandwidth: float = math.inf
) -> float:
    return n_hosts * part.batches(n_hosts) * BATCH_ROWS / _seconds(part, sums, n_hosts, n_cores, bandwidth)


def _seconds(part: Parts, sums: Exchanges, n_hosts: int, n_cores: int, bandwidth: float) -> float:
    """Return the seconds of a step."""
    own = part.computing_seconds(n_hosts, n_cores) + part.ending_seconds(n_cores)
    return own + part.exchange_seconds(sums, n_hosts, bandwidth)


def predicted(part: Parts, sums: Exchanges, n_cores: int, gigabits: int) -> dict[str, Any]:
    """Return the predictions for hosts of some cores on a network."""
    bandwidth, most = gigabits * 1e9 / 8, HOSTS[-1]
    batches = part.batches(most)
    wire = batches * BATCH_ROWS * part.row_bytes + 2 * (most - 1) / most * part.exchanged_bytes(most)
    rates = {n_hosts: _rows_per_second(part, sums, n_hosts, n_cores, bandwidth) for n_hosts in HOSTS}
    alone = BATCH_ROWS / part.alone_seconds(n_cores)
    return {
        "d": part.n_features,
        "K": part.n_centers,
        "cores": n_cores,
        "Gbit/s": gigabits,
        "mini-batches a step": batches,
        "computing, ms": round(1e3 * part.computing_seconds(most, n_cores), 2),
        "ending": round(1e3 * part.ending_seconds(n_cores), 2),
        "exchange": round(1e3 * part.exchange_seconds(sums, most, bandwidth), 2),
        **{f"efficiency {n_hosts}": f"{rate / n_hosts / alone:.0%}" for n_hosts, rate in rates.items()},
        f"million rows/s, {most} hosts": round(rates[most] / 1e6, 1),
        "input": round(most * batches * BATCH_ROWS * bandwidth / wire / 1e6, 1),
    }


def _row_of(part: Parts) -> dict[str, Any]:
    """Return the parts of a step as a row of a table."""
    return {
        "d": part.n_features,
        "K": part.n_centers,
        "reading": round(1e6 * part.reading),
        "computing": round(1e6 * part.computing),
        "sampling": round(1e6 * part.sampling),
        "moving": round(1e6 * part.shared),
        "ending": round(1e6 * part.alone),
        "call": round(1e6 * part.call, 1),
        "far rows": f"{part.far:.0%}",
        "KB exchanged, 64 hosts": round(part.exchanged_bytes(64) / 1e3),
    }


def measure_shape(part: Parts, n_rows: int, runs: int) -> dict[str, Any]:
    """Alternate between a job of one host, one of two hosts, and two jobs of one host at once, on the same rows."""
    d, n_centers = part.n_features, part.n_centers
    cases = {"one": [1], "two": [2], "apart": [1, 1]}
    speeds: dict[str, list[float]] = {case: [] for case in cases}
    shares, bytes_sent = [], 0
    chosen = {"k": str(n_centers // host_jobs.FACTOR), "feature_dim": str(d)}
    with memory_folder("kmeans-hosts-") as folder:
        write_job(Path(folder) / "rows", n_rows, d, n_centers // host_jobs.FACTOR, CROWD)
        files_of_rows = sorted((Path(folder) / "rows/input/data/train").iterdir())
        for run in range(runs):
            for case, n_hosts in cases.items():
                jobs = host_jobs.run(Path(folder) / f"{run}-{case}", files_of_rows, n_hosts, chosen, run)
                speeds[case].append(sum(job.rows_per_second() for job in jobs))
                if case == "two":
                    share, bytes_sent = jobs[0].communication()
                    shares.append(share)
        crowd: float | str = ""
        if (d, n_centers) == SHAPES[0][:2]:
            (job,) = host_jobs.run(Path(folder) / "crowd", files_of_rows, [CROWD], chosen)
            crowd = round(job.rows_per_second() / 1e6, 3)
    one, two, apart = speeds.values()
    return {
        "d": d,
        "K": n_centers,
        "1 host, million rows/s": round(statistics.median(one) / 1e6, 3),
        "2 hosts": round(statistics.median(two) / 1e6, 3),
        "2 hosts / 1 host": round(_ratio(two, one), 2),
        "2 jobs / 1 job": round(_ratio(apart, one), 2),
        "communication": f"{statistics.median(shares):.1%}",
        "MB sent a host": round(bytes_sent / 1e6, 1),
        f"{CROWD} hosts": crowd,
    }


def _ratio(many: list[float], one: list[float]) -> float:
    """Return the median ratio of consecutive runs, since a machine has slow minutes."""
    return statistics.median(fast / slow for fast, slow in zip(many, one, strict=True))


def measure_shared_exchanges() -> list[dict[str, Any]]:
    """Compare models of several hosts with that of one."""
    rng = np.random.default_rng(0)
    digits = load_digits().data[rng.permutation(1797)]
    data = (("blobs, 200000 x 16", blobs(200_000, 16, 50), 50, 500), ("digits, 1797 x 64", digits, 10, 10))
    results = []
    for name, rows, k, batch_size in data:
        row: dict[str, Any] = {"data": name, "k": k, "mini_batch_size": batch_size}
        settings = replace(stream_settings(host_jobs.FACTOR * k, rows.shape[1]), batch_size=batch_size)
        alone = 0.0
        for n_hosts in (1, *COMPARED):
            found = [_fit(rows, n_hosts, replace(settings, seed=seed)) for seed in range(SEEDS)]
            msd = statistics.mean(msd for msd, _ in found)
            alone = alone or msd
            row[f"{n_hosts} hosts" if n_hosts > 1 else "1 host"] = f"{found[0][1]} steps, {msd / alone:.4f}"
        results.append(row)
        sys.stderr.write(f"{row}\n")
    return results


class _Steps(Silent):
    """Counts steps."""

    count = 0

    def stepped(self, batch: MiniBatch) -> None:
        """See `Observer`."""
        del batch
        self.count += 1


def _fit(rows: NDArray[Any], n_hosts: int, settings: TrainingSettings) -> tuple[float, int]:
    """Train on hosts that are threads; return the msd and the number of steps."""
    with tempfile.TemporaryDirectory(prefix="kmeans-hosts-") as folder:
        channels = []
        for rank, part in enumerate(np.array_split(rows, n_hosts)):
            path = Path(folder) / str(rank)
            path.mkdir()
            files.write(part, path, files.FLOAT32)
            channels.append(ChannelConfiguration("train", RECORDIO, None, "File", "ShardedByS3Key", path))

        def run(hosts: Communicator) -> tuple[float, int]:
            channel, steps = channels[hosts.rank], _Steps()
            source = Channel(channel, RecordForm.of(channel, settings.n_features), settings.batch_size)
            return fit(source, settings, hosts, Threads(), steps).score.msd, steps.count

        return run(SingleHost()) if n_hosts == 1 else run_hosts(n_hosts, run)[0]


def measure_checkpoints() -> dict[str, Any]:
    """Run a job that writes a checkpoint every second."""
    d, n_rows, interval = 50, 500_000 if SHORT else 2_000_000, 60
    with memory_folder("kmeans-hosts-") as folder:
        write_job(Path(folder) / "rows", n_rows, d, 10)
        rows = sorted((Path(folder) / "rows/input/data/train").iterdir())
        chosen = {"k": "10", "feature_dim": str(d), "checkpoint_interval_seconds": "1", "refine_sample_size": "auto"}
        chosen["epochs"] = "6" if SHORT else "3"
        (job,) = host_jobs.run(Path(folder) / "job", rows, [1], chosen)
        found = re.search(r"wrote (\d+) checkpoints, in (\S+) seconds", job.logs[0])
        if found is None:
            raise ValueError(f"expected a line about checkpoints in\n{job.logs[0]}")
        sizes = [path.stat().st_size for path in (job.bases[0] / "checkpoints").iterdir()]
    each = float(found[2]) / int(found[1])
    return {
        "checkpoints": int(found[1]),
        "MB": round(max(sizes) / 1e6, 1),
        "seconds each": round(each, 3),
        f"share of {interval} s": f"{each / interval:.2%}",
    }


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as error:
        sys.exit(f"{error}")
