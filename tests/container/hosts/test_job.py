"""Whole jobs of several hosts, seen from outside."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container.logs.metrics import REGEXES
from tests.container.hosts.cluster import Cluster, cluster_of, descendants
from tests.container.job.job import Job, csv, msd, recordio

Rows = NDArray[np.float32]
MINIMAL = {"k": "10", "feature_dim": "64", "mini_batch_size": "100"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, digits: Rows) -> Iterator[Cluster]:
    """Run a job on three hosts, one of them without rows, with test data that all have."""
    with cluster_of(tmp_path_factory.mktemp("trained"), 3, {**MINIMAL, "epochs": "2"}) as cluster:
        cluster.channels["test"] = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
        for host in cluster.hosts:
            cluster.configure(host)
            (host.base / "input/data/test").mkdir()
        cluster.put(digits[:1200], digits[:0], digits[1200:])
        cluster.put(*[digits[:500]] * 3, channel="test")
        assert cluster.run() == [0, 0, 0], cluster.logs
        yield cluster


def test_the_model_is_as_good_as_that_of_one_host(trained: Cluster, digits: Rows, tmp_path: Path) -> None:
    alone = Job(tmp_path, {**MINIMAL, "epochs": "2"})
    (alone.folder("train") / "rows.pbr").write_bytes(recordio(digits))
    of_one = msd(digits, alone.run().centers)
    leader = trained.hosts[0]
    assert msd(digits, leader.centers) <= 1.005 * of_one
    value = float(re.findall(REGEXES["train:msd"], leader.log)[0])
    assert value == pytest.approx(msd(digits, leader.centers), rel=1e-9)


def test_only_the_leader_writes_the_model(trained: Cluster) -> None:
    leader, *others = trained.hosts
    assert sorted(path.name for path in (leader.base / "model").iterdir()) == [
        "kmeans.json",
        f"model_{leader.name}",
        "state.npz",
    ]
    for host in others:
        assert not (host.base / "model").exists()
        assert "No model is serialized on a non-master node" in host.log
    assert json.loads((leader.base / "model/kmeans.json").read_text())["rows_seen"] == 2 * 1797


def test_every_host_tells_of_its_own_rows_and_of_the_common_loss(trained: Cluster) -> None:
    for host, rows in zip(trained.hosts, (1200, 0, 597), strict=True):
        assert host.log.count(f"processed a total of {rows} examples") == 2
        assert f"#progress_metric: host={host.name}, completed 100.0 % of epochs" in host.log
        assert re.search(r"communication took \d+\.\d+ seconds, \d+\.\d+ of them in steps, \d+ bytes sent", host.log)
    for metric in "train:msd", "test:msd":
        assert len({re.findall(REGEXES[metric], host.log)[0] for host in trained.hosts}) == 1


def test_shared_test_data_are_scored_once(trained: Cluster, digits: Rows) -> None:
    value = float(re.findall(REGEXES["test:msd"], trained.hosts[0].log)[0])
    assert value == pytest.approx(msd(digits[:500], trained.hosts[0].centers), rel=1e-9)


def test_each_host_writes_the_assignments_of_its_rows(trained: Cluster) -> None:
    for host, rows in zip(trained.hosts, (1200, 0, 597), strict=True):
        files = list((host.base / "output/data/assignments").rglob("*.csv"))
        assert len(files) == (rows > 0)
        for file in files:
            assert file.parent.name == host.name
            assert len(file.read_text().splitlines()) == 1 + rows


def test_nothing_is_left_running(trained: Cluster) -> None:
    for host in trained.hosts:
        assert not descendants(host.running.pid)


def test_hosts_with_the_same_data_divide_them(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.channels["train"]["S3DistributionType"] = "FullyReplicated"
        for host in cluster.hosts:
            cluster.configure(host)
        cluster.put(digits, digits)
        assert cluster.run() == [0, 0], cluster.logs
        description = json.loads((cluster.hosts[0].base / "model/kmeans.json").read_text())
        assert description["rows_seen"] == len(digits)
        assert sum(description["cluster_sizes"]) == len(digits)
        # Mini-batches 1, 3, .. and 2, 4, .., of which the last one has 97 rows.
        for host, rows in zip(cluster.hosts, (900, 897), strict=True):
            assert f"processed a total of {rows} examples" in host.log


@pytest.mark.parametrize(
    ("distribution", "half_life"),
    [("ShardedByS3Key", "0"), ("FullyReplicated", "1000")],
    ids=["by closing passes", "by assignments"],
)
def test_the_figures_of_a_small_sample_are_exact(
    tmp_path: Path, digits: Rows, distribution: str, half_life: str
) -> None:
    changes = {"refine_sample_size": "300", "half_life_time_size": half_life}
    with cluster_of(tmp_path, 2, {**MINIMAL, **changes}) as cluster:
        cluster.channels["train"]["S3DistributionType"] = distribution
        shared = distribution == "FullyReplicated"
        for host, rows in zip(cluster.hosts, (digits[:1100], digits[1100:]), strict=True):
            cluster.configure(host)
            files = [digits[:1100], digits[1100:]] if shared else [rows]
            for number, part in enumerate(files):
                (host.base / f"input/data/train/part-{number}").write_bytes(recordio(part))
        assert cluster.run() == [0, 0], cluster.logs
        leader = cluster.hosts[0]
        description = json.loads((leader.base / "model/kmeans.json").read_text())
        assert description["msd_is_exact"] is True
        assert description["msd"] == pytest.approx(msd(digits, leader.centers), rel=1e-9)
        assert sum(description["cluster_sizes"]) == len(digits)
        for host in cluster.hosts:
            assert re.findall(REGEXES["train:msd"], host.log) == [repr(description["msd"])]
            assert ("closing pass 1 over all rows" in host.log) == (half_life == "0")


def test_a_host_that_cannot_write_its_assignments_leaves_an_estimate(tmp_path: Path, digits: Rows) -> None:
    changes = {"refine_sample_size": "300", "half_life_time_size": "1000"}
    with cluster_of(tmp_path, 2, {**MINIMAL, **changes}) as cluster:
        cluster.put(digits[:900], digits[900:])
        (cluster.hosts[1].base / "output/data").mkdir(parents=True)
        (cluster.hosts[1].base / "output/data/assignments").write_text("in the way")
        assert cluster.run() == [0, 0], cluster.logs
        description = json.loads((cluster.hosts[0].base / "model/kmeans.json").read_text())
        assert description["msd_is_exact"] is False
        for host in cluster.hosts:
            assert "train msd is estimated" in host.log


def test_pipes_of_uneven_length(tmp_path: Path, digits: Rows, feed: Callable[[Path, list[bytes]], None]) -> None:
    with cluster_of(tmp_path, 2, {**MINIMAL, "epochs": "2"}) as cluster:
        cluster.channels["train"]["TrainingInputMode"] = "Pipe"
        for host, rows in zip(cluster.hosts, (digits[:1500], digits[1500:]), strict=True):
            cluster.configure(host)
            feed(host.base / "input/data", [recordio(rows)] * 2)
        assert cluster.run() == [0, 0], cluster.logs
        assert msd(digits, cluster.hosts[0].centers) < 680


def test_two_runs_give_the_same_bytes(tmp_path: Path, digits: Rows) -> None:
    models = []
    for run in range(2):
        with cluster_of(tmp_path / f"{run}", 2, {**MINIMAL, "half_life_time_size": "1000"}) as cluster:
            cluster.put(digits[:1000], digits[1000:])
            assert cluster.run() == [0, 0], cluster.logs
            models.append([path.read_bytes() for path in sorted((cluster.hosts[0].base / "model").iterdir())])
    assert models[0] == models[1]


def test_sixteen_hosts(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 16, MINIMAL) as cluster:
        cluster.put(*np.array_split(digits, 16))
        assert cluster.run(240) == [0] * 16, cluster.logs
        assert msd(digits, cluster.hosts[0].centers) < 660
        leader, *others = cluster.hosts
        assert "The stream had only 2 steps, each of up to 100 rows of 16 hosts" in leader.log
        assert all("The stream had only" not in host.log for host in others)


def test_a_late_host_is_waited_for(tmp_path: Path, digits: Rows) -> None:
    with cluster_of(tmp_path, 2, MINIMAL) as cluster:
        cluster.put(digits[:900], digits[900:])
        leader, other = cluster.hosts
        cluster.start(other)
        other.wait_for_line(f"waiting for the hosts {leader.name}")
        cluster.start(leader)
        assert cluster.wait() == [0, 0], cluster.logs


def test_csv_gives_what_recordio_gives(tmp_path: Path, digits: Rows) -> None:
    models = []
    for kind, write in (("text/csv;label_size=0", csv), ("application/x-recordio-protobuf", recordio)):
        with cluster_of(tmp_path / write.__name__, 2, MINIMAL) as cluster:
            cluster.channels["train"]["ContentType"] = kind
            for host, rows in zip(cluster.hosts, (digits[:900], digits[900:]), strict=True):
                cluster.configure(host)
                (host.base / "input/data/train/rows").write_bytes(write(rows))
            assert cluster.run() == [0, 0], cluster.logs
            models.append(cluster.hosts[0].centers.tobytes())
    assert models[0] == models[1]
