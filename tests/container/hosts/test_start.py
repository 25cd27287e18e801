"""Hosts that fail before all have come: every other one ends, soon and with the reason."""

import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container.hosts.limits import SCALE_VARIABLE
from tests.container.hosts.cluster import Cluster, cluster_of, kill, wait_until
from tests.container.hosts.namespaces import INTERFACE, Namespaces, address, network_of
from tests.container.job.job import TOP

Rows = NDArray[np.float32]
MINIMAL = {"k": "10", "feature_dim": "64", "mini_batch_size": "100"}
MOST_SECONDS = 60
# Silence of 1.2 seconds is noticed.
FAST = {SCALE_VARIABLE: "0.05"}


def check_all_say(cluster: Cluster, code: int, reason: str) -> None:
    assert cluster.wait(MOST_SECONDS) == [code] * len(cluster.hosts), cluster.logs
    failures = {host.failure for host in cluster.hosts}
    assert len(failures) == 1, cluster.logs
    assert reason in failures.pop()


@pytest.mark.parametrize(("place", "file"), [(0, "hyperparameters"), (2, "inputdataconfig")])
def test_a_broken_configuration_of_one_host_ends_all(tmp_path: Path, place: int, file: str) -> None:
    with cluster_of(tmp_path, 3, MINIMAL) as cluster:
        (cluster.hosts[place].base / f"input/config/{file}.json").write_text("{")
        cluster.start()
        check_all_say(cluster, 2, f"{file}.json")


def test_hosts_that_come_after_the_job_has_failed_are_told(tmp_path: Path) -> None:
    with cluster_of(tmp_path, 3, MINIMAL) as cluster:
        first, second, third = cluster.hosts
        cluster.configure(second, k="1")
        cluster.start(second)
        second.wait_for_line("the job has failed; telling the hosts 127.0.0.1, 127.0.0.3")
        cluster.start(third, first)
        check_all_say(cluster, 2, "Hyperparameter k: expected")


def test_hosts_that_never_come_are_not_waited_for(tmp_path: Path) -> None:
    with cluster_of(tmp_path, 2, {**MINIMAL, "k": "1"}) as cluster:
        first = cluster.hosts[0]
        cluster.start(first, **FAST)
        assert first.running.wait(MOST_SECONDS) == 2
        assert "Hyperparameter k: expected" in first.failure


def test_a_signal_ends_telling(tmp_path: Path) -> None:
    with cluster_of(tmp_path, 2, {**MINIMAL, "k": "1"}) as cluster:
        first = cluster.hosts[0]
        cluster.start(first)
        first.wait_for_line("telling the hosts")
        first.running.send_signal(signal.SIGTERM)
        assert first.running.wait(10) == 2


def test_sigterm_in_the_first_second_of_one_host_ends_all(tmp_path: Path) -> None:
    with cluster_of(tmp_path, 3, MINIMAL) as cluster:
        *others, late = cluster.hosts
        cluster.start(late)
        late.wait_for_line("Reading default configuration")
        late.running.send_signal(signal.SIGTERM)
        cluster.start(*others)
        check_all_say(cluster, 2, "The job was stopped before its hosts had come together")


@pytest.mark.parametrize("place", [0, 1])
def test_a_port_of_the_launchers_that_is_taken_ends_all(tmp_path: Path, place: int) -> None:
    with cluster_of(tmp_path, 3, MINIMAL) as cluster, socket.socket() as taken:
        taken.bind((cluster.hosts[place].name, cluster.port + 1))
        taken.listen()
        cluster.start()
        check_all_say(cluster, 3, f"{cluster.hosts[place].name}: port {cluster.port + 1} can't be opened")


def test_a_port_of_mpi_that_is_taken_ends_all(tmp_path: Path) -> None:
    with cluster_of(tmp_path, 3, MINIMAL) as cluster, socket.socket() as taken:
        taken.bind((cluster.hosts[0].name, cluster.port))
        taken.listen()
        cluster.start()
        check_all_say(cluster, 3, f"{cluster.hosts[0].name}: port {cluster.port} can't be opened")


def test_a_launcher_that_is_killed_while_others_are_missing_ends_all(tmp_path: Path) -> None:
    with cluster_of(tmp_path, 3, MINIMAL) as cluster:
        first, second, third = cluster.hosts
        cluster.start(first, second, **FAST)
        # It has come.
        first.wait_for_line(f"waiting for the hosts {third.name} ")
        kill(second.running.pid)
        first.wait_for_line("telling the hosts")
        cluster.start(third, **FAST)
        assert cluster.wait(MOST_SECONDS) == [3, -signal.SIGKILL, 3], cluster.logs
        for host in first, third:
            assert host.failure == f"Platform Error: {second.name} was lost: its connection is closed"


@pytest.mark.parametrize(("program", "place"), [("mpiexec", 0), ("hydra_pmi_proxy", 1)])
def test_a_program_that_is_killed_when_it_starts_is_named(
    tmp_path: Path, digits: Rows, program: str, place: int
) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.put(digits[:900], digits[900:])
        cluster.start()
        lost = cluster.hosts[place]
        wait_until(lambda: lost.has_program(program))
        kill(lost.program(program))
        check_all_say(cluster, 3, f"{lost.name} was lost: its {program} was killed")


def test_the_log_says_why_a_host_is_waited_for(tmp_path: Path) -> None:
    names = {"algo-1": [address(0)], "algo-2": [address(1)], "algo-4": [address(3)], "algo-5": ["fd00::5"]}
    with network_of(tmp_path, 5, MINIMAL, names) as (cluster, _):
        host = cluster.hosts[1]
        cluster.start(host, **FAST)
        for reason in (
            r"algo-1 can't be reached \(.*Connect call failed",
            r"algo-3 is not a known name",
            r"algo-4 can't be reached",
            r"algo-5 can't be reached \(expected an IPv4 address, found only fd00::5\)",
        ):
            host.wait_for_line(f"waiting for the hosts .*{reason}")


def test_an_interface_without_an_address_ends_all(tmp_path: Path) -> None:
    with network_of(tmp_path, 2, MINIMAL) as (cluster, spaces):
        second = cluster.hosts[1]
        spaces[second.name].run("ip", "link", "add", "bare", "type", "bridge")
        cluster.interface = "bare"
        cluster.configure(second)
        cluster.start()
        check_all_say(cluster, 3, "algo-2: the network interface bare has no IPv4 address")


def test_two_jobs_of_the_same_names_on_a_network_end(tmp_path: Path) -> None:
    with network_of(tmp_path, 3, MINIMAL, {"algo-1": [address(0)], "algo-2": [address(1), address(2)]}) as (cluster, _):
        first, second, twin = cluster.hosts
        cluster.names = ["algo-1", "algo-2"]
        twin.name = second.name
        for host in cluster.hosts:
            cluster.configure(host)
        # A third host is expected, so that the first one still waits when the twin comes.
        cluster.names = ["algo-1", "algo-2", "algo-3"]
        for host in cluster.hosts:
            cluster.configure(host)
        cluster.start(first, second, **FAST)
        first.wait_for_line("algo-2 has the addresses")
        first.wait_for_line("waiting for the hosts algo-3 ")
        cluster.start(twin, **FAST)
        assert cluster.wait(MOST_SECONDS) == [3, 3, 3], cluster.logs
        for host in cluster.hosts:
            assert "two hosts are named algo-2, with the addresses 10.77.0.2 and 10.77.0.3" in host.failure


SLOW = """
import os, runpy, sys, time
from pathlib import Path
# Only the worker of the second host is late.
if "SAGEMAKER_KMEANS_LAUNCHER" in os.environ and os.environ["SAGEMAKER_BASE_DIR"].endswith("127.0.0.2"):
    time.sleep(3)
sys.path[0] = {top!r}
runpy.run_path({train!r}, run_name="__main__")
"""


def test_a_worker_that_starts_late_is_waited_for(tmp_path: Path, digits: Rows) -> None:
    program = tmp_path / "train"
    program.write_text(f"#!/usr/bin/env python3{SLOW.format(top=str(TOP), train=str(TOP / 'train'))}")
    program.chmod(0o755)
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.put(digits[:900], digits[900:])
        for host in cluster.hosts:
            host.train = program
        cluster.start(**FAST)
        assert cluster.wait(MOST_SECONDS) == [0, 0], cluster.logs


def block_mpi(cluster: Cluster, space: Namespaces) -> None:
    """Drop packets that come from other hosts, but for those of the launchers and of `mpiexec`."""
    ports = f"{cluster.port}:{cluster.port + 1}"
    rule = f"-A INPUT -i {INTERFACE} -p tcp -m multiport ! --ports {ports} -j DROP"
    space.run("iptables", *rule.split())


def test_blocked_ports_of_mpi_are_named(tmp_path: Path, digits: Rows) -> None:
    with network_of(tmp_path, 3, MINIMAL) as (cluster, spaces):
        cluster.put(digits[:600], digits[600:1200], digits[1200:])
        block_mpi(cluster, spaces["algo-2"])
        cluster.start(**FAST)
        check_all_say(cluster, 3, "seconds for MPI to connect algo-1, algo-2, algo-3")


def test_connections_of_mpi_that_are_gone_end_all(tmp_path: Path, digits: Rows) -> None:
    with network_of(tmp_path, 3, {**MINIMAL, "epochs": "1000000"}) as (cluster, spaces):
        cluster.put(digits[:600], digits[600:1200], digits[1200:])
        cluster.start(**FAST)
        cluster.hosts[1].wait_for_line("Iter 10:")
        block_mpi(cluster, spaces["algo-2"])
        since = time.monotonic()
        check_all_say(cluster, 3, "seconds for messages of MPI while no host was at work")
        print(f"dropped connections: all have ended after {time.monotonic() - since:.1f} s")


def test_a_killed_worker_leaves_nothing_in_shared_memory(tmp_path: Path, digits: Rows) -> None:
    with network_of(tmp_path, 2, {**MINIMAL, "epochs": "1000000"}) as (cluster, spaces):
        cluster.put(digits[:900], digits[900:])
        for space in spaces.values():
            space.run("mount", "-t", "tmpfs", "shm", "/dev/shm")
        cluster.start()
        for host in cluster.hosts:
            host.wait_for_line("Iter 10:")
        kill(cluster.hosts[1].worker())
        check_all_say(cluster, 3, "algo-2 was lost: its worker was killed")
        for space in spaces.values():
            assert space.output("ls", "/dev/shm") == ""
