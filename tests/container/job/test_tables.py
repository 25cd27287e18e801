"""Tables as people have them, in Parquet and CSV: names in the outputs, ids in the assignments."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from container import resolve
from kmeans.prediction import Predictor
from tests.container.hosts.cluster import Cluster
from tests.container.job.job import TOP, Ended, Job

N = 900
FEATURES = ("weight, kg", "height", "<b>age</b>")
HYPERPARAMETERS = {
    "k": "3",
    "feature_dim": "3",
    "mini_batch_size": "100",
    "feature_columns": json.dumps(FEATURES),
    "id_column": "person",
}
Write = Callable[[Any, Path], object]
KINDS: dict[str, tuple[str, str, Write]] = {
    "parquet": ("application/x-parquet", "rows.parquet", pyarrow.parquet.write_table),
    "csv": ("text/csv;header=present", "rows.csv", pyarrow.csv.write_csv),
}


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    places = np.array([[60, 1.6, 20], [90, 1.8, 60], [30, 1.2, 8]])
    return (places[rng.integers(3, size=N)] + rng.normal(size=(N, 3)) * [3, 0.05, 2]).astype(np.float32)


def table(rows: NDArray[np.float32]) -> Any:
    """Return the features among other columns, in another order than they are asked for."""
    return pyarrow.table(
        {
            "town": [f"in {row % 7}" for row in range(len(rows))],
            FEATURES[2]: rows[:, 2],
            FEATURES[0]: rows[:, 0],
            "person": [f'no. {row}, "{row % 5}"' for row in range(len(rows))],
            FEATURES[1]: rows[:, 1],
        }
    )


def job_of(folder: Path, kind: str, rows: NDArray[np.float32], **changes: str) -> Job:
    content_type, name, write = KINDS[kind]
    channel = {"TrainingInputMode": "File", "ContentType": content_type}
    job = Job(folder, {**HYPERPARAMETERS, **changes}, {"train": dict(channel), "test": dict(channel)})
    for number, part in enumerate(np.array_split(np.arange(len(rows)), 2)):
        (job.folder("train") / f"part={number}").mkdir()
        write(table(rows).take(part), job.folder("train") / f"part={number}" / name)
    # The test channel may have its columns in another order, and no ids.
    write(table(rows).select([*FEATURES]), job.folder("test") / name)
    return job


def assigned(ended: Ended, name: str) -> Any:
    parts = [
        pyarrow.csv.read_csv(ended.base / f"output/data/assignments/algo-1/part={number}" / f"{name}.csv")
        for number in range(2)
    ]
    return pyarrow.concat_tables(parts)


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_ids(tmp_path: Path, kind: str, rows: NDArray[np.float32]) -> None:
    ended = job_of(tmp_path, kind, rows).run()
    assert ended.exit_code == 0, ended.log
    assert ended.description["feature_names"] == [*FEATURES]
    assert "The features are the columns 'weight, kg', 'height', '<b>age</b>'." in ended.log
    found = assigned(ended, KINDS[kind][1])
    labels, distances = Predictor(ended.centers).predict(rows)
    assert found.column_names == ["person", "closest_cluster", "distance_to_cluster"]
    assert found["person"].to_pylist() == table(rows)["person"].to_pylist()
    np.testing.assert_array_equal(found["closest_cluster"], labels)
    np.testing.assert_allclose(found["distance_to_cluster"], distances, rtol=1e-6)
    assert f"#quality_metric: host=algo-1, test msd <loss>={ended.description['msd']}"[:60] in ended.log
    report = (tmp_path / "output/data/report.html").read_text()
    assert "▲ weight, kg: " in report
    assert "&lt;b&gt;age&lt;/b&gt;: " in report
    assert "<b>age" not in report
    arguments = ["--k", "2", str(tmp_path / "output/model.tar.gz"), str(tmp_path / "two.tar.gz")]
    data = ["--data", str(tmp_path / "input/data/train"), "--content-type", KINDS[kind][0]]
    assert resolve.main([*data, *arguments]) == 0
    lines = (tmp_path / "two-data/assignments/part=0" / f"{KINDS[kind][1]}.csv").read_text().splitlines()
    assert lines[0] == "person,closest_cluster,distance_to_cluster"
    assert lines[1].startswith('"no. 0, ""0""",')
    assert "weight, kg: " in (tmp_path / "two-data/report.html").read_text()


def test_features_in_another_order_than_in_the_model(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    given = {"k": "3", "feature_dim": "3", "write_report": "false", "write_assignments": "false"}
    content_type, name, write = KINDS["parquet"]
    channel = {"TrainingInputMode": "File", "ContentType": content_type}
    jobs = {
        names: Job(tmp_path / names, given, {"train": channel, "model": {"TrainingInputMode": "File"}})
        for names in ("abc", "acb", "xyz")
    }
    for names, job in jobs.items():
        write(pyarrow.table(dict(zip(names, rows.T, strict=True))), job.folder("train") / name)
    first = replace(jobs["abc"], channels={"train": channel}).run()
    assert first.exit_code == 0, first.log
    for names in ("acb", "xyz"):
        shutil.copy(first.base / "output/model.tar.gz", jobs[names].folder("model"))
    moved, renamed = jobs["acb"].run(), jobs["xyz"].run()
    assert moved.exit_code == 2
    assert moved.failure == (
        "Customer Error: Channel model: the order of the features is not that of the data: expected 'c' in column 2,"
        " as in the model, not in 1; feature_columns chooses columns in any order"
    )
    assert renamed.exit_code == 0, renamed.log
    arguments = ["--k", "2", "--content-type", content_type, str(tmp_path / "abc/output/model.tar.gz")]
    data = jobs["acb"].folder("train")
    command = [sys.executable, "-m", "container.resolve", *arguments, str(tmp_path / "two.tar.gz"), "--data", str(data)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{data}: expected 'c' in column 2, as in the model, not in 1" in done.stdout


def test_both_formats_and_any_number_of_hosts_give_the_same(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    models = [job_of(tmp_path / kind, kind, rows, write_report="false").run().centers.tobytes() for kind in KINDS]
    assert models[0] == models[1]


@pytest.mark.parametrize("distribution", ["FullyReplicated", "ShardedByS3Key"])
def test_several_hosts(tmp_path: Path, rows: NDArray[np.float32], distribution: str) -> None:
    channel = {"TrainingInputMode": "File", "ContentType": KINDS["parquet"][0], "S3DistributionType": distribution}
    cluster = Cluster(tmp_path, 2, HYPERPARAMETERS, {"train": channel})
    try:
        shards = [rows, rows] if distribution == "FullyReplicated" else [rows[:0], rows]
        for host, shard in zip(cluster.hosts, shards, strict=True):
            if len(shard):
                pyarrow.parquet.write_table(
                    table(shard), host.base / "input/data/train/rows.parquet", row_group_size=70
                )
        assert cluster.run() == [0, 0], cluster.logs
        leader = cluster.hosts[0]
        description = json.loads((leader.base / "model/kmeans.json").read_text())
        assert (description["rows"], description["feature_names"]) == (N, [*FEATURES])
    finally:
        cluster.close()


def test_hosts_must_agree_on_names(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    channel = {"TrainingInputMode": "File", "ContentType": KINDS["csv"][0], "S3DistributionType": "ShardedByS3Key"}
    hyperparameters = {name: HYPERPARAMETERS[name] for name in ("k", "feature_dim")}
    cluster = Cluster(tmp_path, 2, hyperparameters, {"train": channel})
    try:
        for host, names in zip(cluster.hosts, ("abc", "acb"), strict=True):
            text = "\n".join([",".join(names), *(",".join(map(str, row)) for row in rows.tolist())])
            (host.base / "input/data/train/rows.csv").write_text(text)
        assert cluster.run() == [2, 2], cluster.logs
        assert "The hosts have different columns: 'a', 'b', 'c' and 'a', 'c', 'b'" in cluster.hosts[0].failure
    finally:
        cluster.close()


def test_names_that_are_given(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    given = {"k": "3", "feature_dim": "3", "feature_names": "x,y,z", "write_assignments": "false"}
    job = Job(tmp_path, given, {"train": {"TrainingInputMode": "File", "ContentType": "text/csv;label_size=0"}})
    np.savetxt(job.folder("train") / "rows.csv", rows, delimiter=",")
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    assert ended.description["feature_names"] == ["x", "y", "z"]
    assert " x: " in (tmp_path / "output/data/report.html").read_text()


def test_names_need_a_type_that_has_them(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    job = Job(tmp_path, HYPERPARAMETERS, {"train": {"TrainingInputMode": "File", "ContentType": "text/csv"}})
    (job.folder("train") / "rows.csv").write_text("1,2,3\n")
    ended = job.run()
    assert ended.exit_code == 2
    assert ended.failure == (
        "Customer Error: Channel train: expected application/x-parquet or text/csv;header=present, in which columns"
        " have names as feature_columns and id_column need, got text/csv"
    )


def test_ids_need_a_name_of_their_own(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    ended = job_of(tmp_path, "csv", rows, id_column="closest_cluster").run()
    assert ended.exit_code == 2
    assert ended.failure == (
        "Customer Error: Hyperparameter id_column: expected another name than closest_cluster and distance_to_cluster,"
        " which are columns of the assignments, got closest_cluster"
    )
