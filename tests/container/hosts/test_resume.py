"""Jobs that are killed anywhere and restarted end with the bytes of one that was not interrupted.

`RESUMES` says how often; `make test-resumes` does it 50 times.
"""

import os
import random
import re
import shutil
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.container.hosts.cluster import Cluster, cluster_of, descendants, kill

RESUMES = int(os.environ.get("RESUMES") or 2)
CHOSEN = {
    "k": "10",
    "feature_dim": "64",
    "mini_batch_size": "20",
    "epochs": "2",
    "checkpoint_interval_seconds": "0",
    "refine_sample_size": "800",
    "half_life_time_size": "1500",
    "write_report": "false",
}


def newest_step(cluster: Cluster) -> int:
    steps = [int(path.name[-12:]) for path in (cluster.hosts[0].base / "checkpoints").glob("checkpoint-*[0-9]")]
    return max(steps, default=0)


def kill_during(cluster: Cluster, step: int, dice: random.Random) -> None:
    """Kill the worker, the launcher or all of one host when a step is done; wait for the ends of all."""
    cluster.start()
    while newest_step(cluster) < step:
        assert all(host.running.poll() is None for host in cluster.hosts), cluster.logs
        time.sleep(0.002)
    host = dice.choice(cluster.hosts)
    victims = dice.choice([[host.worker()], [host.running.pid], [*descendants(host.running.pid), host.running.pid]])
    for pid in victims:
        kill(pid)
    assert 0 not in cluster.wait(60)


def model_of(cluster: Cluster) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (cluster.hosts[0].base / "model").iterdir()}


def test_killed_at_random_and_restarted(tmp_path: Path) -> None:
    rows: NDArray[np.float32] = np.random.default_rng(0).normal(size=(2400, 64)).astype(np.float32)
    shards = rows[:1300], rows[1300:]
    with cluster_of(tmp_path / "whole", 2, CHOSEN, checkpoints=True) as whole:
        whole.put(*shards)
        assert whole.run() == [0, 0], whole.logs
        expected, last = model_of(whole), newest_step(whole)
    assert last > 50
    dice = random.Random(0)
    identical = 0
    for resume in range(RESUMES):
        with cluster_of(tmp_path / f"{resume}", 2, CHOSEN, checkpoints=True) as cluster:
            cluster.put(*shards)
            # Not the very last ones: the job must not have ended before it is killed.
            step = dice.randrange(1, last - 20)
            kill_during(cluster, step, dice)
            for host in cluster.hosts:
                shutil.rmtree(host.base / "output", ignore_errors=True)
            assert cluster.run() == [0, 0], cluster.logs
            found = re.findall(r"resuming from the checkpoint of step (\d+)", cluster.hosts[0].log)
            assert int(found[0]) >= step - 1
            identical += model_of(cluster) == expected
        shutil.rmtree(tmp_path / f"{resume}")
    print(f"{identical} of {RESUMES} resumes identical")
    assert identical == RESUMES


def test_shards_that_were_swapped_are_trained_from_scratch(tmp_path: Path) -> None:
    rows: NDArray[np.float32] = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
    with cluster_of(tmp_path, 2, CHOSEN, checkpoints=True) as cluster:
        cluster.put(rows[:200], rows[200:])
        assert cluster.run() == [0, 0], cluster.logs
        cluster.put(rows[200:], rows[:200])
        assert cluster.run() == [0, 0], cluster.logs
        for host in cluster.hosts:
            assert "it is of another job: data was" in host.log
            assert "resuming from" not in host.log
