"""Several hosts as containers on a network of their own, as SageMaker runs them, and how they may fail."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from container.artifacts.model import load
from container.formats.recordio.records import dense_record, encode
from tools.containers import docker
from tools.network import MAX_SECONDS, Host, Network, network_of

Rows = NDArray[np.float32]


@contextmanager
def in_the_middle_of_an_epoch(image: str, folder: Path, digits: Rows, n_hosts: int) -> Iterator[Network]:
    """Yield hosts that have processed ten mini-batches each, and now wait at silent pipes."""
    with network_of(image, folder, n_hosts, "Pipe") as network, ExitStack() as files:
        pipes: list[BinaryIO] = []
        for host in network.hosts:
            fifo = host.tree.base / "input/data/train_0"
            os.mkfifo(fifo)
            # Opened for reading too, so that opening does not wait for the job.
            pipes.append(files.enter_context(fifo.open("r+b", buffering=0)))
        network.start()
        for pipe in pipes:
            pipe.write(encode(map(dense_record, digits[:1000])))
        for host in network.hosts:
            host.wait_for_line("Iter 10:")
        yield network


def check_the_others(network: Network, lost: Host, reason: str, since: float) -> None:
    """Check that all other hosts end within a minute, and name the host that is lost."""
    for host in network.hosts:
        if host is not lost:
            assert host.exit_code() == 3, network.logs()
            assert f"{lost.name} was lost: {reason}" in host.failure
            assert not (host.tree.base / "model/model_algo-1").exists()
    seconds = time.monotonic() - since
    print(f"{lost.name}, {reason}: all others have ended after {seconds:.1f} s")
    assert seconds < MAX_SECONDS


def test_three_hosts_train_one_model_and_the_leader_may_be_late(image: str, tmp_path: Path, digits: Rows) -> None:
    with network_of(image, tmp_path, 3) as network:
        leader, *others = network.hosts
        for host, rows in zip(network.hosts, np.split(digits, [900, 1500]), strict=True):
            host.tree.add_rows(rows)
        network.start(*others)
        for host in others:
            host.wait_for_line("waiting for the hosts")
        # The name of a host that is not there is unknown.
        network.start(leader)
        assert [host.exit_code() for host in network.hosts] == [0, 0, 0], network.logs()
        centers = load(leader.tree.base / "model").centers
        msd = np.square(digits[:, None].astype(np.float64) - centers[None]).sum(axis=2).min(axis=1).mean()
        assert np.isclose(leader.tree.read_json("model/kmeans.json")["msd"], msd, rtol=1e-5)
        assert leader.tree.read_json("model/kmeans.json")["rows_seen"] == len(digits)
        for host in others:
            assert list((host.tree.base / "model").iterdir()) == []


@pytest.mark.parametrize("place", [0, 1])
def test_a_killed_container_ends_all(image: str, tmp_path: Path, digits: Rows, place: int) -> None:
    with in_the_middle_of_an_epoch(image, tmp_path, digits, 3) as network:
        since = time.monotonic()
        docker("kill", network.hosts[place].container)
        check_the_others(network, network.hosts[place], "its connection is closed", since)


def test_a_host_out_of_memory_ends_all(image: str, tmp_path: Path, digits: Rows) -> None:
    rows = np.tile(digits, (20, 16))
    with network_of(image, tmp_path, 2, memory="300m") as network:
        for host in network.hosts:
            given = json.dumps({"k": "10", "feature_dim": str(rows.shape[1])})
            (host.tree.base / "input/config/hyperparameters.json").write_text(given)
            host.tree.add_rows(rows)
        since = time.monotonic()
        network.start()
        check_the_others(network, network.hosts[1], "its worker ran out of memory", since)
        # The launcher survives and reports the reason.
        assert network.hosts[1].exit_code() == 3
        assert "ran out of memory" in network.hosts[1].failure


def test_paused_and_cut_off_hosts_end_all(image: str, tmp_path: Path, digits: Rows) -> None:
    """Two clusters at once, since silence takes its time."""
    with (
        in_the_middle_of_an_epoch(image, tmp_path / "paused", digits, 2) as paused,
        in_the_middle_of_an_epoch(image, tmp_path / "cut", digits, 3) as cut,
    ):
        since = time.monotonic()
        docker("pause", paused.hosts[0].container)
        docker("network", "disconnect", cut.name, cut.hosts[2].container)
        check_the_others(paused, paused.hosts[0], "it was silent", since)
        check_the_others(cut, cut.hosts[2], "it was silent", since)
        # The host that is cut off ends too: for it, the others are lost.
        assert cut.hosts[2].exit_code() == 3
        assert "was lost: it was silent" in cut.hosts[2].failure
        docker("unpause", paused.hosts[0].container)
        assert paused.hosts[0].exit_code() == 3


def test_sigterm_to_one_host_leaves_a_model(image: str, tmp_path: Path, digits: Rows) -> None:
    with in_the_middle_of_an_epoch(image, tmp_path, digits, 2) as network:
        since = time.monotonic()
        docker("kill", "--signal", "TERM", network.hosts[1].container)
        assert [host.exit_code() for host in network.hosts] == [0, 0], network.logs()
        print(f"SIGTERM: the model is there after {time.monotonic() - since:.1f} s")
        assert network.hosts[0].tree.read_json("model/kmeans.json")["rows_seen"] == 2000
