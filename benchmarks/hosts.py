"""Several hosts: the speed-up by a second host, and predictions for more.

Jobs run in containers on a network, each pinned to its own core: `make bench-hosts`, after `make image`.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from benchmarks import exchanges, files
from benchmarks.blobs import blobs, write_job
from benchmarks.cores_contenders import stream_settings
from benchmarks.measure import RESULTS, machine, memory_folder
from container.channels.channel import Channel
from container.channels.form import RecordForm
from container.configuration.channels import RECORDIO, ChannelConfiguration
from container.logs.metrics import REGEXES
from kmeans.communicator import Communicator
from kmeans.observer import Silent
from kmeans.settings import MAX_BATCHES_PER_STEP, MAX_REDUCED, TrainingSettings
from kmeans.thread_hosts import run_hosts
from kmeans.threads import Threads
from kmeans.training import fit
from tools.containers import IMAGE, Tree
from tools.markdown import table
from tools.network import Host, network_of

BATCH = 5000
FACTOR = 10
EPOCHS = 3
RUNS = 6
SEEDS = 5
# d, K, and the rows of all hosts together: enough for an epoch of some seconds.
SHAPES = ((50, 100, 8_000_000), (50, 1000, 2_000_000), (784, 100, 600_000), (784, 1000, 240_000))


def main() -> None:
    """Measure; print the page, and write page and figures to `results/`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of each job (default: {RUNS})")
    runs = parser.parse_args().runs
    sums = exchanges.measure()
    speeds, predictions = [], []
    for d, n_centers, n_rows in SHAPES:
        measured = measure_shape(d, n_centers, n_rows, runs)
        speeds.append(measured)
        predictions.append(exchanges.predicted(sums, d, n_centers, BATCH, measured))
    shared = measure_shared_reductions()
    checkpoints = measure_checkpoints()
    facts = {**machine(), "runs": runs, "mini_batch_size": BATCH}
    stated = ", ".join(f"{key} {value}" for key, value in facts.items())
    text = f"""# {(__doc__ or "").strip()}

The table shows the speed of the stream on files in memory. Figures are medians of alternating runs, each of which
starts with another core; ratios are those of consecutive runs. A mini-batch has {BATCH} rows. Communication is the
share of the stream's time that a host spends on it, including the time that it waits for the other host. Two
independent jobs of one host each show what the machine itself makes of two busy cores. Other load on the machine
affects two hosts twice, since each waits for the other.

{table(speeds)}
## More hosts, predicted

{sums.explained()}

{table(predictions)}
## Sums between two hosts

{table(sums.rows())}
## Mini-batches that share a reduction

Centers of more than {MAX_REDUCED:,} numbers are reduced only every few mini-batches, up to {MAX_BATCHES_PER_STEP}.
The table shows the effect on the msd, with two hosts and small data, where it matters more, since an epoch has few
steps. Figures are means over {SEEDS} seeds, relative to one mini-batch a step.

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
        "sums": sums.rows(),
        "shared_reductions": shared,
        "checkpoints": checkpoints,
    }
    (RESULTS / "hosts.json").write_text(json.dumps(content, indent=2) + "\n")
    sys.stdout.write(text)


def measure_shape(d: int, n_centers: int, n_rows: int, runs: int) -> dict[str, Any]:
    """Alternate between a job of one host, one of two hosts, and two jobs of one host at once, on the same rows."""
    # Number of jobs, and of hosts of each.
    cases = ((1, 1), (1, 2), (2, 1))
    speeds: dict[tuple[int, int], list[float]] = {case: [] for case in cases}
    shares, bytes_sent = [], 0
    with memory_folder("kmeans-hosts-") as folder:
        write_job(Path(folder) / "rows", n_rows, d, n_centers // FACTOR)
        parts = sorted((Path(folder) / "rows/input/data/train").iterdir())
        for run in range(runs):
            for n_jobs, n_hosts in cases:
                with ExitStack() as jobs:
                    trees = Path(folder) / f"{run}-{n_jobs}-{n_hosts}"
                    networks = [
                        jobs.enter_context(network_of(IMAGE, trees / str(job), n_hosts, first_core=run + job))
                        for job in range(n_jobs)
                    ]
                    hosts = [host for network in networks for host in network.hosts]
                    for place, host in enumerate(hosts):
                        configure(host.tree, d, n_centers)
                        for part in parts[place :: len(hosts)]:
                            (host.tree.base / "input/data/train" / part.name).hardlink_to(part)
                    for network in networks:
                        network.start()
                    assert not any(host.exit_code(600) for host in hosts), networks[0].logs()
                    speeds[n_jobs, n_hosts].append(sum(map(rows_per_second, hosts)))
                    if n_hosts == 2:
                        share, bytes_sent = communication(hosts[0])
                        shares.append(share)
    one, two, apart = (speeds[case] for case in cases)
    return {
        "d": d,
        "K": n_centers,
        "1 host, million rows/s": round(statistics.median(one) / 1e6, 3),
        "2 hosts": round(statistics.median(two) / 1e6, 3),
        "2 hosts / 1 host": round(_ratio(two, one), 2),
        "2 jobs / 1 job": round(_ratio(apart, one), 2),
        "communication": f"{statistics.median(shares):.1%}",
        "MB sent a host": round(bytes_sent / 1e6, 1),
    }


def _ratio(many: list[float], one: list[float]) -> float:
    """Return the median ratio of consecutive runs, since a machine has slow minutes."""
    return statistics.median(fast / slow for fast, slow in zip(many, one, strict=True))


def configure(tree: Tree, d: int, n_centers: int, **more: str) -> None:
    chosen = {
        "k": str(n_centers // FACTOR),
        "feature_dim": str(d),
        "extra_center_factor": str(FACTOR),
        "mini_batch_size": str(BATCH),
        "epochs": str(EPOCHS),
        "write_assignments": "false",
        "write_report": "false",
        "local_lloyd_num_trials": "1",
        "refine_sample_size": "20000",
        **more,
    }
    (tree.base / "input/config/hyperparameters.json").write_text(json.dumps(chosen))


def rows_per_second(host: Host) -> float:
    """Return the speed of a host's stream, the median over all epochs except the first."""
    return statistics.median(float(speed) for speed in re.findall(REGEXES["train:throughput"], host.log)[1:])


def communication(host: Host) -> tuple[float, int]:
    """Return the share of the stream's time that was spent on communication, and the bytes sent."""
    found = re.search(r"(\S+) of them in steps, (\d+) bytes sent", host.log)
    update = re.search(r'"update.time": \{"sum": ([\d.]+)', host.log)
    assert found, host.log
    assert update, host.log
    return float(found[1]) / (float(update[1]) / 1000), int(found[2])


def measure_shared_reductions() -> list[dict[str, Any]]:
    """Train with several mini-batches a step, which is the same as larger mini-batches."""
    rng = np.random.default_rng(0)
    digits = load_digits().data[rng.permutation(1797)]
    data = (("blobs, 200000 x 16", blobs(200_000, 16, 50), 50, 1000), ("digits, 1797 x 64", digits, 10, 50))
    results = []
    for name, rows, k, batch_size in data:
        row: dict[str, Any] = {"data": name, "k": k, "mini_batch_size": batch_size}
        alone = 0.0
        with tempfile.TemporaryDirectory(prefix="kmeans-hosts-") as folder:
            channels = _divided(rows, Path(folder))
            settings = replace(stream_settings(FACTOR * k, rows.shape[1]), batch_size=batch_size)
            for together in (1, 2, 4, 8, 16):
                msds = [
                    _msd_of_two(channels, replace(settings, batch_size=batch_size * together, seed=seed))
                    for seed in range(SEEDS)
                ]
                alone = alone or statistics.mean(msds)
                row[f"{together} a step"] = f"{statistics.mean(msds) / alone:.4f}"
        results.append(row)
    return results


def _divided(rows: NDArray[Any], folder: Path) -> list[ChannelConfiguration]:
    """Write half of the rows for each of two hosts; return their channels."""
    channels = []
    for rank, half in enumerate(np.array_split(rows, 2)):
        path = folder / str(rank)
        path.mkdir()
        files.write(half, path, files.FLOAT32)
        channels.append(ChannelConfiguration("train", RECORDIO, None, "File", "ShardedByS3Key", path))
    return channels


def _msd_of_two(channels: list[ChannelConfiguration], settings: TrainingSettings) -> float:
    def run(hosts: Communicator) -> float:
        channel = channels[hosts.rank]
        source = Channel(channel, RecordForm.of(channel, settings.n_features), settings.batch_size)
        return fit(source, settings, hosts, Threads(), Silent()).score.msd

    return run_hosts(2, run)[0]


def measure_checkpoints() -> dict[str, Any]:
    """Run a job that writes a checkpoint every second."""
    d, n_rows, interval = 50, 2_000_000, 60
    with tempfile.TemporaryDirectory(prefix="kmeans-hosts-") as folder:
        write_job(Path(folder) / "rows", n_rows, d, 10)
        with network_of(IMAGE, Path(folder) / "job", 1) as network:
            (host,) = network.hosts
            configure(host.tree, d, 100, checkpoint_interval_seconds="1", refine_sample_size="auto")
            (host.tree.base / "checkpoints").mkdir()
            for part in (Path(folder) / "rows/input/data/train").iterdir():
                (host.tree.base / "input/data/train" / part.name).hardlink_to(part)
            network.start()
            assert host.exit_code(600) == 0, host.log
            found = re.search(r"wrote (\d+) checkpoints, in (\S+) seconds", host.log)
            assert found, host.log
            sizes = [path.stat().st_size for path in (host.tree.base / "checkpoints").iterdir()]
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
