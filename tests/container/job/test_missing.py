"""Jobs on rows with missing numbers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from kmeans.prediction import Predictor
from tests.container.hosts.cluster import cluster_of
from tests.container.job.job import Ended, Job

N = 800
HYPERPARAMETERS = {"k": "3", "feature_dim": "3", "mini_batch_size": "100", "id_column": "person"}
CHANNEL = {"TrainingInputMode": "File", "ContentType": "text/csv;header=present"}


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    places = np.array([[60, 1.6, 20], [90, 1.8, 60], [30, 1.2, 8]])
    rows = places[rng.integers(3, size=N)] + rng.normal(size=(N, 3)) * [3, 0.05, 2]
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows.astype(np.float32).astype(np.float64)


def table(rows: NDArray[np.float64]) -> Any:
    columns = {name: pyarrow.array(column, from_pandas=True) for name, column in zip("abc", rows.T, strict=True)}
    return pyarrow.table({"person": [f"p{row}" for row in range(len(rows))], **columns})


def run(folder: Path, rows: NDArray[np.float64], missing: str, **changes: str) -> Ended:
    job = Job(folder, {**HYPERPARAMETERS, "missing": missing, **changes}, {"train": CHANNEL, "test": CHANNEL})
    for channel in ("train", "test"):
        pyarrow.csv.write_csv(table(rows), job.folder(channel) / "rows.csv")
    return job.run()


def assigned(ended: Ended) -> Any:
    return pyarrow.csv.read_csv(ended.base / "output/data/assignments/algo-1/rows.csv.csv")


def test_means_take_their_place(tmp_path: Path, rows: NDArray[np.float64]) -> None:
    ended = run(tmp_path, rows, "mean")
    assert ended.exit_code == 0, ended.log
    description = ended.description
    # Of the rows that the first centers are chosen from.
    means = description["missing_numbers"]
    np.testing.assert_allclose(means, np.nanmean(rows, axis=0), rtol=0.1)
    n_gaps = int(np.isnan(rows).any(axis=1).sum())
    assert (description["rows"], description["events"]["filled_rows"]) == (N, n_gaps)
    assert f"The means of the features took the place of missing numbers in {n_gaps} rows." in ended.log
    filled = np.where(np.isnan(rows), means, rows).astype(np.float32)
    labels, distances = Predictor(ended.centers).predict(filled)
    found = assigned(ended)
    assert found["person"].to_pylist() == [f"p{row}" for row in range(N)]
    np.testing.assert_array_equal(found["closest_cluster"], labels)
    np.testing.assert_allclose(found["distance_to_cluster"], distances, rtol=1e-5)
    assert description["msd"] == pytest.approx(float((distances.astype(np.float64) ** 2).mean()), rel=1e-5)
    assert "test msd <loss>=" in ended.log


def test_a_dropped_row_has_no_cluster(tmp_path: Path, rows: NDArray[np.float64]) -> None:
    ended = run(tmp_path, rows, "drop")
    assert ended.exit_code == 0, ended.log
    whole = ~np.isnan(rows).any(axis=1)
    assert (ended.description["rows"], ended.description["events"]["dropped_rows"]) == (whole.sum(), N - whole.sum())
    assert f"{N - whole.sum()} rows with missing numbers were dropped." in ended.log
    found = assigned(ended)
    assert found.num_rows == N
    np.testing.assert_array_equal(found["closest_cluster"].is_valid(), whole)
    labels, _ = Predictor(ended.centers).predict(rows[whole].astype(np.float32))
    np.testing.assert_array_equal(found["closest_cluster"].drop_null(), labels)
    again = run(tmp_path / "whole", rows[whole], "error")
    assert again.centers.tobytes() == ended.centers.tobytes()


def test_they_are_refused_by_default(tmp_path: Path, rows: NDArray[np.float64]) -> None:
    ended = run(tmp_path, rows, "error")
    assert ended.exit_code == 2
    assert "Found missing (NaN) values." in ended.failure
    assert "missing=mean or missing=drop" in ended.failure


@pytest.mark.parametrize("missing", ["mean", "drop"])
def test_a_job_resumes_with_what_takes_their_place(tmp_path: Path, rows: NDArray[np.float64], missing: str) -> None:
    changes = {"checkpoint_interval_seconds": "0", "standardize": "true", "write_assignments": "false"}
    for folder in ("whole", "cut"):
        (tmp_path / folder / "checkpoints").mkdir(parents=True)
    expected = run(tmp_path / "whole", rows, missing, **changes)
    assert expected.exit_code == 0, expected.log
    n_gaps = int(np.isnan(rows).any(axis=1).sum())
    event = {"mean": "filled_rows", "drop": "dropped_rows"}[missing]
    assert expected.description["events"][event] == n_gaps
    # The last one was written when all rows were read.
    for kept in sorted((tmp_path / "whole/checkpoints").iterdir()):
        shutil.rmtree(tmp_path / "cut/checkpoints")
        (tmp_path / "cut/checkpoints").mkdir()
        shutil.copy(kept, tmp_path / "cut/checkpoints")
        resumed = run(tmp_path / "cut", rows, missing, **changes)
        assert f"resuming from the checkpoint of step {int(kept.name[-12:])}" in resumed.log
        assert resumed.centers.tobytes() == expected.centers.tobytes()
        assert resumed.description["events"] == expected.description["events"]
        assert f"{n_gaps} rows" in resumed.log
    other = run(tmp_path / "cut", rows, "drop" if missing == "mean" else "mean", **changes)
    assert "it is of another job: missing was" in other.log


@pytest.mark.parametrize("missing", ["mean", "drop"])
def test_several_hosts(tmp_path: Path, rows: NDArray[np.float64], missing: str) -> None:
    hyperparameters = {**HYPERPARAMETERS, "missing": missing}
    with cluster_of(tmp_path, 2, hyperparameters) as cluster:
        cluster.channels = {"train": {**CHANNEL, "ContentType": "application/x-parquet"}}
        for host in cluster.hosts:
            cluster.configure(host)
            pyarrow.parquet.write_table(table(rows), host.base / "input/data/train/rows.parquet", row_group_size=90)
        assert cluster.run() == [0, 0], cluster.logs
        description = json.loads((cluster.hosts[0].base / "model/kmeans.json").read_text())
    n_gaps = int(np.isnan(rows).any(axis=1).sum())
    if missing == "mean":
        assert (description["rows"], description["events"]["filled_rows"]) == (N, n_gaps)
        np.testing.assert_allclose(description["missing_numbers"], np.nanmean(rows, axis=0), rtol=0.1)
    else:
        assert (description["rows"], description["events"]["dropped_rows"]) == (N - n_gaps, n_gaps)
