"""Jobs of three hosts of which one fails, in any way and at any moment: all end soon, and what is left is right.

`CHAOS` says how many jobs; `make test-chaos` runs 200.
"""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from container.hosts.limits import SCALE_VARIABLE
from tests.container.hosts.cluster import Cluster, Host, children, cluster_of, command, descendants, kill
from tests.container.hosts.test_resume import CHOSEN, model_of

JOBS = int(os.environ.get("CHAOS") or 1)
SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
N_HOSTS = 3
# The promise to the user.
MOST_SECONDS = 60
# Hosts wait for one that never comes a little less than that, instead of a quarter of an hour.
FAST = {SCALE_VARIABLE: "0.05"}
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP)


def victims(host: Host, dice: random.Random) -> tuple[str, list[int]]:
    """Return the launcher of a host, a process that it has started, or all of them."""
    launcher = host.running.pid
    # A worker is a child of its proxy.
    started = [pid for child in children(launcher) for pid in (child, *children(child))]
    what = dice.choice(("launcher", "started", "all"))
    if what == "all":
        return what, [*descendants(launcher), launcher]
    if what == "started" and started:
        pid = dice.choice(started)
        return Path(command(pid).partition(" ")[0]).name, [pid]
    return "launcher", [launcher]


def strike(cluster: Cluster, seconds: float, dice: random.Random) -> tuple[Host, signal.Signals, str]:
    """Send a signal to some process of some host after some time; return what was hit."""
    cluster.start(**FAST)
    time.sleep(dice.uniform(0, seconds))
    host, signum = dice.choice(cluster.hosts), dice.choice(SIGNALS)
    what, pids = victims(host, dice)
    if signum == signal.SIGTERM:
        # Only launchers are told to stop.
        what, pids = "launcher", [host.running.pid]
    for pid in pids:
        kill(pid, signum)
    return host, signum, what


def others_end(cluster: Cluster, lost: Host) -> float:
    """Wait for all hosts but the one that was hit; return how many seconds that took."""
    began = time.monotonic()
    for host in cluster.hosts:
        if host is not lost:
            host.running.wait(max(0.1, MOST_SECONDS + began - time.monotonic()))
    return time.monotonic() - began


def check(cluster: Cluster, lost: Host, signum: signal.Signals, expected: dict[str, bytes]) -> str:
    """See that all hosts have succeeded with the right model, or that all have failed and name the one that was hit."""
    codes = {host.name: host.running.returncode for host in cluster.hosts}
    others = [host for host in cluster.hosts if host is not lost]
    if all(host.running.returncode == 0 for host in others):
        # It was hit too late to matter, or told to stop.
        assert signum == signal.SIGTERM or model_of(cluster) == expected, cluster.logs
        return "succeeded"
    assert all(codes.values()), (codes, cluster.logs)
    for host in others:
        told = "The job was stopped" in host.failure and signum == signal.SIGTERM
        assert told or lost.name in host.failure, (host.failure, cluster.logs)
    return "failed"


def test_all_hosts_end_whatever_fails(tmp_path: Path) -> None:
    rows: NDArray[np.float32] = np.random.default_rng(0).normal(size=(2400, 64)).astype(np.float32)
    shards = np.split(rows, [900, 1700])
    with cluster_of(tmp_path / "whole", N_HOSTS, CHOSEN, checkpoints=True) as whole:
        whole.put(*shards)
        began = time.monotonic()
        assert whole.run() == [0] * N_HOSTS, whole.logs
        seconds, expected = time.monotonic() - began, model_of(whole)
    dice = random.Random(SEED)
    print(f"seed {SEED}; a whole job takes {seconds:.1f} s")
    for number in range(JOBS):
        with cluster_of(tmp_path / f"{number}", N_HOSTS, CHOSEN, checkpoints=True) as cluster:
            cluster.put(*shards)
            lost, signum, what = strike(cluster, seconds, dice)
            took = others_end(cluster, lost)
            if signum == signal.SIGSTOP:
                for pid in [*descendants(lost.running.pid), lost.running.pid]:
                    kill(pid, signal.SIGCONT)
            cluster.wait(MOST_SECONDS)
            outcome = check(cluster, lost, signum, expected)
            print(f"{number}: {signum.name} to {what} of {lost.name}: {outcome} after {took:.1f} s", flush=True)
            if signum != signal.SIGTERM:
                for host in cluster.hosts:
                    shutil.rmtree(host.base / "output", ignore_errors=True)
                assert cluster.run() == [0] * N_HOSTS, cluster.logs
                assert model_of(cluster) == expected
        shutil.rmtree(tmp_path / f"{number}")
