"""Jobs of several hosts that keep a model, or end their epochs early."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container.artifacts.model import load_state
from container.logs.metrics import REGEXES
from tests.container.hosts.cluster import RECORDIO_CHANNEL, cluster_of
from tests.container.job.job import csv, msd

Rows = NDArray[np.float32]
MINIMAL = {"k": "10", "feature_dim": "64", "mini_batch_size": "100"}


@pytest.mark.parametrize("distribution", ["ShardedByS3Key", "FullyReplicated"])
def test_hosts_divide_the_rows_that_are_assigned_to_given_centers(
    tmp_path: Path, digits: Rows, distribution: str
) -> None:
    centers = np.stack([digits[i::10].mean(axis=0) for i in range(10)])
    with cluster_of(tmp_path, 3, {**MINIMAL, "epochs": "0"}) as cluster:
        cluster.channels = {"train": {**RECORDIO_CHANNEL, "S3DistributionType": distribution}, "model": {}}
        for host in cluster.hosts:
            cluster.make_tree(host)
            (host.base / "input/data/model/centers.csv").write_bytes(csv(centers))
        sharded = distribution == "ShardedByS3Key"
        # The last one has none.
        cluster.put(*([digits[:1200], digits[1200:], digits[:0]] if sharded else [digits] * 3))
        assert cluster.run() == [0, 0, 0], cluster.logs
        leader = cluster.hosts[0]
        assert leader.centers.tobytes() == centers.tobytes()
        description = json.loads((leader.base / "model/kmeans.json").read_text())
        distances = ((digits[:, None].astype(np.float64) - centers[None]) ** 2).sum(axis=2)
        np.testing.assert_array_equal(description["cluster_sizes"], np.bincount(distances.argmin(axis=1)))
        assert description["msd"] == pytest.approx(msd(digits, centers), rel=1e-12)
        assert description["rows_seen"] == len(digits)
        assert len({re.findall(REGEXES["train:msd"], host.log)[0] for host in cluster.hosts}) == 1
        assert "only" not in leader.log.partition("The stream had")[2]
        state, _ = load_state(leader.base / "output/data")
        assert state.weights.sum() == len(state.sample.rows) == len(digits)
        written = [*tmp_path.rglob("assignments/*/rows.pbr.csv")]
        rows = np.concatenate([np.loadtxt(path, delimiter=",", skiprows=1) for path in sorted(written)])
        np.testing.assert_array_equal(rows[:, 0], distances.argmin(axis=1))


def test_hosts_end_their_epochs_together_and_resume_to_the_same_bytes(tmp_path: Path, digits: Rows) -> None:
    hyperparameters = {**MINIMAL, "epochs": "20", "early_stopping_tolerance": "0.02"}
    with cluster_of(tmp_path, 2, {**hyperparameters, "checkpoint_interval_seconds": "0"}, True) as cluster:
        cluster.put(digits[:1200], digits[1200:])
        assert cluster.run() == [0, 0], cluster.logs
        pattern = r"No further epoch: epoch (\d+) of 20 lowered .*; the msd of the stream was .*"
        lines = {found[0] for host in cluster.hosts for found in re.finditer(pattern, host.log)}
        assert len(lines) == 1
        leader = cluster.hosts[0]
        model = {path.name: path.read_bytes() for path in (leader.base / "model").iterdir()}
        # From their last checkpoint on, all decide again.
        shutil.rmtree(leader.base / "model")
        assert cluster.run() == [0, 0], cluster.logs
        assert {found[0] for host in cluster.hosts for found in re.finditer(pattern, host.log)} == lines
        assert {path.name: path.read_bytes() for path in (leader.base / "model").iterdir()} == model
