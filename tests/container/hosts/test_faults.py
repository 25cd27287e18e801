"""What happens to hosts: every other one ends, soon and with the reason, and none ends well without a model."""

import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from container.hosts.limits import SCALE_VARIABLE
from kmeans import __version__
from tests.container.disk import READ_ONLY, files_in
from tests.container.hosts.cluster import Cluster, Host, cluster_of, descendants, kill, wait_until
from tests.container.job.job import TOP, recordio

Rows = NDArray[np.float32]
MINIMAL = {"k": "10", "feature_dim": "64", "mini_batch_size": "100"}
# The promise to the user.
MOST_SECONDS = 60


@contextmanager
def during_an_epoch(folder: Path, digits: Rows, n_hosts: int = 2, scale: str = "1") -> Iterator[Cluster]:
    """Yield a cluster whose hosts have processed ten mini-batches each, and now wait at silent pipes."""
    with cluster_of(folder, n_hosts, MINIMAL) as cluster, ExitStack() as pipes:
        cluster.channels["train"]["TrainingInputMode"] = "Pipe"
        open_pipes: list[BinaryIO] = []
        for host in cluster.hosts:
            cluster.configure(host)
            open_pipes.append(pipes.enter_context(pipe_of(host)))
        cluster.start(**{SCALE_VARIABLE: scale})
        for pipe in open_pipes:
            pipe.write(recordio(digits[:1000]))
        for host in cluster.hosts:
            host.wait_for_line("Iter 10:")
        yield cluster


@contextmanager
def pipe_of(host: Host) -> Iterator[BinaryIO]:
    """Open a host's pipe for writing; it stays open until the block ends."""
    fifo = host.base / "input/data/train_0"
    os.mkfifo(fifo)
    # For reading too: opening does not wait for the job, and writing does not break when it is gone.
    with fifo.open("r+b", buffering=0) as pipe:
        yield pipe


def check_the_others(cluster: Cluster, lost: Host, reason: str, since: float) -> None:
    """See that all others end within a minute, and name the host that is lost."""
    codes = cluster.wait(MOST_SECONDS + 20)
    print(f"{reason}: all others have ended after {time.monotonic() - since:.1f} s")
    assert time.monotonic() - since < MOST_SECONDS
    for host, code in zip(cluster.hosts, codes, strict=True):
        if host is not lost:
            assert code == 3, cluster.logs
            assert re.search(reason, host.failure), host.failure
            assert lost.name in host.failure
        assert not (host.base / "model").exists()
        assert not descendants(host.running.pid)


VICTIMS: dict[str, Callable[[Host], list[int]]] = {
    "worker": lambda host: [host.worker()],
    "hydra_pmi_proxy": lambda host: [host.program("hydra_pmi_proxy")],
    "launcher": lambda host: [host.running.pid],
    "host": lambda host: [host.running.pid, *descendants(host.running.pid)],
}


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("place", [0, 1])
def test_what_is_killed_during_an_epoch_ends_all(tmp_path: Path, digits: Rows, victim: str, place: int) -> None:
    with during_an_epoch(tmp_path, digits, 3 if victim == "host" else 2) as cluster:
        lost = cluster.hosts[place]
        since = time.monotonic()
        for pid in VICTIMS[victim](lost):
            kill(pid)
        check_the_others(cluster, lost, "was killed|its connection is closed", since)
        if victim == "worker":
            assert lost.failure == cluster.hosts[1 - place].failure


def test_a_killed_process_manager_ends_all(tmp_path: Path, digits: Rows) -> None:
    with during_an_epoch(tmp_path, digits) as cluster:
        since = time.monotonic()
        kill(cluster.hosts[0].program("mpiexec"))
        check_the_others(cluster, cluster.hosts[0], "its mpiexec was killed", since)


@pytest.mark.parametrize(("victim", "place"), [("worker", 1), ("host", 0)])
def test_what_is_killed_while_the_model_is_made_ends_all(tmp_path: Path, digits: Rows, victim: str, place: int) -> None:
    chosen = {"k": "150", "feature_dim": "64", "local_lloyd_num_trials": "200"}
    with cluster_of(tmp_path, 2, chosen) as cluster:
        cluster.put(digits[:900], digits[900:])
        cluster.start()
        lost = cluster.hosts[place]
        lost.wait_for_line(r"shrinking \d+ centers into 150")
        since = time.monotonic()
        for pid in VICTIMS[victim](lost):
            kill(pid)
        check_the_others(cluster, lost, "its worker was killed|its connection is closed", since)


def test_what_is_stopped_ends_all_and_silent_pipes_do_not(tmp_path: Path, digits: Rows) -> None:
    """Three clusters at once: a worker, a launcher and only the data stand still."""
    with ExitStack() as clusters:
        worker, launcher, data = (
            clusters.enter_context(during_an_epoch(tmp_path / name, digits, scale="0.2"))
            for name in ("worker", "launcher", "data")
        )
        since = time.monotonic()
        kill(worker.hosts[1].worker(), signal.SIGSTOP)
        kill(launcher.hosts[0].running.pid, signal.SIGSTOP)
        check_the_others(worker, worker.hosts[1], "its worker was silent for 6 seconds", since)
        other = launcher.hosts[1]
        assert other.running.wait(MOST_SECONDS) == 3
        print(f"stopped launcher: the other has ended after {time.monotonic() - since:.1f} s")
        assert other.failure == f"Platform Error: {launcher.hosts[0].name} was lost: it was silent for 4.8 seconds"
        # When it continues, it finds the message that was left for it.
        kill(launcher.hosts[0].running.pid, signal.SIGCONT)
        assert launcher.hosts[0].running.wait(MOST_SECONDS) == 3
        assert launcher.hosts[0].failure == other.failure
        for host in data.hosts:
            assert host.running.poll() is None, host.log


def test_a_host_that_waits_for_its_data_delays_the_others_as_long_as_it_takes(tmp_path: Path, digits: Rows) -> None:
    with during_an_epoch(tmp_path, digits, scale="0.05") as cluster:
        first, second = cluster.hosts
        with (first.base / "input/data/train_0").open("r+b", buffering=0) as pipe:
            pipe.write(recordio(digits[:200]))
            first.wait_for_line("has waited 2.25 seconds for other hosts")
        second.running.send_signal(signal.SIGTERM)
        assert cluster.wait(MOST_SECONDS) == [0, 0], cluster.logs


@pytest.mark.parametrize("place", [0, 1])
def test_sigterm_on_one_host_ends_the_stream_of_all_and_leaves_a_model(
    tmp_path: Path, digits: Rows, place: int
) -> None:
    with during_an_epoch(tmp_path, digits) as cluster:
        since = time.monotonic()
        cluster.hosts[place].running.send_signal(signal.SIGTERM)
        assert cluster.wait(MOST_SECONDS) == [0, 0], cluster.logs
        print(f"SIGTERM: the model is there after {time.monotonic() - since:.1f} s")
        for host in cluster.hosts:
            assert "Stopped early by SIGTERM after 2000 examples" in host.log
        description = json.loads((cluster.hosts[0].base / "model/kmeans.json").read_text())
        assert description["rows_seen"] == 2000
        assert cluster.hosts[0].centers.shape == (10, 64)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_before_all_hosts_have_come(tmp_path: Path, signum: int) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        first, second = cluster.hosts
        cluster.start(first, **{SCALE_VARIABLE: "0.05"})
        first.wait_for_line(f"waiting for the hosts {second.name}")
        first.running.send_signal(signum)
        assert first.running.wait(MOST_SECONDS) == 2
        assert first.failure.startswith("Customer Error: The job was stopped before its hosts had come together")


def test_sigterm_before_any_row_has_come_through_a_pipe(tmp_path: Path) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster, ExitStack() as pipes:
        cluster.channels["train"]["TrainingInputMode"] = "Pipe"
        for host in cluster.hosts:
            cluster.configure(host)
            pipes.enter_context(pipe_of(host))
        cluster.start()
        for host in cluster.hosts:
            host.worker()
        cluster.hosts[1].running.send_signal(signal.SIGTERM)
        assert cluster.wait(MOST_SECONDS) == [2, 2], cluster.logs
        assert {host.failure for host in cluster.hosts} == {
            "Customer Error: The job was stopped before any row arrived; there is no model"
        }


@pytest.mark.parametrize("place", [0, 1])
def test_sigterm_while_the_model_is_made_leaves_one(tmp_path: Path, digits: Rows, place: int) -> None:
    chosen = {"k": "150", "feature_dim": "64", "local_lloyd_num_trials": "3000"}
    with cluster_of(tmp_path, 2, chosen) as cluster:
        cluster.put(digits[:900], digits[900:])
        cluster.start(SAGEMAKER_KMEANS_GRACE_SECONDS="0")
        cluster.hosts[place].wait_for_line(r"shrinking \d+ centers into 150")
        cluster.hosts[place].running.send_signal(signal.SIGTERM)
        assert cluster.wait(MOST_SECONDS) == [0, 0], cluster.logs
        for host in cluster.hosts:
            assert "There was no time to look for a better model" in host.log
        assert cluster.hosts[0].centers.shape == (150, 64)


def test_sigterm_as_soon_as_the_hosts_have_come_together(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.put(digits[:900], digits[900:])
        cluster.start()
        cluster.hosts[1].wait_for_line("host 2 of 2")
        cluster.hosts[1].running.send_signal(signal.SIGTERM)
        assert cluster.wait(MOST_SECONDS) == [0, 0], cluster.logs
        for host in cluster.hosts:
            assert "Stopped early by SIGTERM" in host.log


def test_a_second_interrupt_ends_a_host_at_once_and_all_others_with_it(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 2, {**MINIMAL, "k": "150", "local_lloyd_num_trials": "3000"}) as cluster:
        cluster.put(digits[:900], digits[900:])
        cluster.start()
        first, second = cluster.hosts
        first.wait_for_line(r"shrinking \d+ centers into 150")
        first.running.send_signal(signal.SIGINT)
        first.wait_for_line("SIGINT on")
        first.running.send_signal(signal.SIGINT)
        assert cluster.wait(MOST_SECONDS) == [130, 3], cluster.logs
        assert "Traceback" not in cluster.logs
        assert f"{first.name} was lost" in second.failure


def test_one_interrupt_for_every_host_leaves_a_model(tmp_path: Path, digits: Rows) -> None:
    """The second host has stopped by then, since the first one was interrupted."""
    chosen = {**MINIMAL, "epochs": "1000000", "local_lloyd_num_trials": "2147483647"}
    with cluster_of(tmp_path, 2, chosen) as cluster:
        cluster.put(digits[:900], digits[900:])
        cluster.start(SAGEMAKER_KMEANS_GRACE_SECONDS="3")
        first, second = cluster.hosts
        second.wait_for_line("Iter 10:")
        first.running.send_signal(signal.SIGINT)
        second.wait_for_line("Stopped early by SIGINT")
        second.running.send_signal(signal.SIGINT)
        assert cluster.wait(MOST_SECONDS) == [0, 0], cluster.logs
        assert len(first.centers) == int(MINIMAL["k"])


def test_an_error_of_one_host_is_the_message_of_all(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 3, MINIMAL) as cluster:
        broken = digits[1000:1500].copy()
        broken[321, 7] = np.nan
        cluster.put(digits[:1000], broken, digits[1500:])
        assert cluster.run(MOST_SECONDS) == [2, 2, 2], cluster.logs
        messages = {host.failure for host in cluster.hosts}
        assert len(messages) == 1
        assert "Found missing (NaN) values" in messages.pop()


@pytest.mark.parametrize("place", [0, 1])
def test_a_fault_of_one_hosts_disk_names_host_and_file_on_all(tmp_path: Path, digits: Rows, place: int) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.put(digits[:900], digits[900:])
        broken = cluster.hosts[place]
        # The kernel reads nothing at the address 0.
        (broken.base / "input/data/train/rows.pbr").unlink()
        (broken.base / "input/data/train/\udcff.pbr").symlink_to("/proc/self/mem")
        assert cluster.run(MOST_SECONDS) == [3, 3], cluster.logs
        (reason,) = {host.failure for host in cluster.hosts}
        assert reason.startswith(
            f"Platform Error: {broken.name}: Unable to read data channel 'train'. "
            r"(train/\udcff.pbr: Input/output error)"
        )


def test_a_leader_that_cannot_write_a_model_says_so_on_all_hosts_before_training(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.put(digits[:900], digits[900:])
        leader = cluster.hosts[0]
        (leader.base / "model").symlink_to(READ_ONLY)
        assert cluster.run(MOST_SECONDS) == [3, 3], cluster.logs
        for host in cluster.hosts:
            assert host.failure.startswith(f"Platform Error: {leader.name}: {leader.base}/model: expected a folder")
            assert "#metrics" not in host.log


def test_a_leader_that_can_write_nothing_but_the_model_succeeds(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.put(digits[:900], digits[900:])
        leader = cluster.hosts[0]
        (leader.base / "output").symlink_to(READ_ONLY)
        assert cluster.run(MOST_SECONDS) == [0, 0], cluster.logs
        assert len(leader.centers) == int(MINIMAL["k"])
        for name in ("model.tar.gz, for local use", "msd_by_k.json", "The report"):
            assert re.search(rf"WARNING \d+\] {name}.* not written", leader.log)


def test_a_host_without_room_for_checkpoints_keeps_step_with_the_others(tmp_path: Path, digits: Rows) -> None:
    given = {**MINIMAL, "checkpoint_interval_seconds": "0"}
    with cluster_of(tmp_path, 2, given, checkpoints=True) as cluster:
        cluster.put(digits[:900], digits[900:])
        first, second = cluster.hosts
        (second.base / "checkpoints").rmdir()
        (second.base / "checkpoints").symlink_to(READ_ONLY)
        assert cluster.run(MOST_SECONDS) == [0, 0], cluster.logs
        assert re.search(rf"WARNING \d+\] A checkpoint was not written: .*{second.base}/checkpoints", second.log)
        assert "not written" not in first.log
        # One that not all have is none.
        assert files_in(first.base / "checkpoints") == []


def test_bad_hyperparameters_fail_before_hosts_are_waited_for(tmp_path: Path) -> None:
    with cluster_of(tmp_path, 2, {**MINIMAL, "k": "1"}) as cluster:
        assert cluster.run(MOST_SECONDS) == [2, 2]
        for host in cluster.hosts:
            assert "Hyperparameter k: expected" in host.failure
            assert "waiting for the hosts" not in host.log


def test_hosts_that_disagree_say_on_what(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.put(digits[:900], digits[900:])
        cluster.configure(cluster.hosts[1], seed="7")
        assert cluster.run(MOST_SECONDS) == [2, 2], cluster.logs
        assert {host.failure for host in cluster.hosts} == {
            "Customer Error: The hosts disagree on hyperparameter seed: 127.0.0.1 has 0, 127.0.0.2 has 7"
        }


def test_hosts_of_different_releases_say_so(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.put(digits[:900], digits[900:])
        cluster.hosts[1].train = program_of_release("99.0", tmp_path / "program")
        assert cluster.run(MOST_SECONDS) == [3, 3], cluster.logs
        assert {host.failure for host in cluster.hosts} == {
            "Platform Error: The hosts disagree on version of sagemaker-kmeans: "
            f"127.0.0.1 has {__version__}, 127.0.0.2 has 99.0"
        }


def test_hosts_with_other_code_say_so(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.put(digits[:900], digits[900:])
        cluster.hosts[1].train = program_of_release(__version__, tmp_path / "program")
        changed = tmp_path / "program/kmeans/stream/farthest.py"
        changed.write_text(changed.read_text() + "# another one\n")
        assert cluster.run(MOST_SECONDS) == [3, 3], cluster.logs
        for host in cluster.hosts:
            assert "The hosts disagree on version of the program's code: 127.0.0.1 has " in host.failure


def test_hosts_of_different_jobs_say_so(tmp_path: Path) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        for host, job in zip(cluster.hosts, ("one", "another"), strict=True):
            cluster.start(host, TRAINING_JOB_NAME=job)
        assert cluster.wait(MOST_SECONDS) == [2, 2], cluster.logs
        for host in cluster.hosts:
            assert "The hosts disagree on TRAINING_JOB_NAME: 127.0.0.1 has one, 127.0.0.2 has another" in host.failure


def program_of_release(release: str, folder: Path) -> Path:
    """Copy the program, with another number."""
    for package in ("kmeans", "container"):
        shutil.copytree(TOP / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "kmeans/__init__.py").write_text(f'__version__ = "{release}"\n')
    return Path(shutil.copy(TOP / "train", folder))


def test_no_rows_on_any_host(tmp_path: Path) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        assert cluster.run(MOST_SECONDS) == [2, 2], cluster.logs
        for host in cluster.hosts:
            assert "no record" in host.failure


def test_strangers_are_turned_away(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.put(digits[:900], digits[900:])
        first, second = cluster.hosts
        cluster.start(first)
        first.wait_for_line("waiting for the hosts")
        impostor = json.dumps({"host": second.name, "facts": {}}).encode() + b"\n"
        for hello in (b"GET / HTTP/1.0\r\n\r\n", b"[" * 100_000 + b"\n", b"x" * (2 << 20), impostor):
            with connected(first, cluster.port + 1) as stranger, suppress(ConnectionError):
                stranger.sendall(hello)
                assert stranger.recv(1) == b""
        cluster.start(second)
        assert cluster.wait() == [0, 0], cluster.logs


@contextmanager
def connected(host: Host, port: int) -> Iterator[socket.socket]:
    """Connect from an address that is none of the cluster's."""

    def answers() -> bool:
        try:
            attempts.append(socket.create_connection((host.name, port), 10, ("127.0.0.99", 0)))
        except ConnectionError:
            return False
        return True

    attempts: list[socket.socket] = []
    wait_until(answers)
    with attempts[0] as stranger:
        yield stranger
