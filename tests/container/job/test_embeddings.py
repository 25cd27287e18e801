"""Jobs whose rows are embeddings: one column of lists next to others, and arrays of numpy."""

import json
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
from tests import bfloat16
from tests.container.hosts.cluster import Cluster
from tests.container.job.job import Ended, Job

N, D = 600, 8
PARQUET, NPY = "application/x-parquet", "application/x-npy"
CHOSEN = {"feature_columns": "embedding", "id_column": "id"}
GIVEN = {"k": "3", "feature_dim": str(D), "mini_batch_size": "100"}


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3, D))[rng.integers(3, size=N)] + rng.normal(size=(N, D)) / 10
    # Numbers that bfloat16 has, and float16 as well.
    return bfloat16.rounded(rows)


def table(rows: NDArray[Any], **metadata: str) -> Any:
    """Return embeddings between other columns."""
    values = pyarrow.array(rows.ravel())
    lists = pyarrow.ListArray.from_arrays(pyarrow.array(np.arange(0, rows.size + 1, D, dtype=np.int32)), values)
    field = pyarrow.field("embedding", lists.type, metadata=metadata)
    ids = pyarrow.array([f"no. {row}" for row in range(len(rows))])
    schema = pyarrow.schema([pyarrow.field("id", pyarrow.string()), field, pyarrow.field("text", pyarrow.string())])
    return pyarrow.table([ids, lists, ids], schema=schema)


def trained(folder: Path, content_type: str, name: str, data: Any, **given: str) -> Ended:
    channel = {"TrainingInputMode": "File", "ContentType": content_type}
    job = Job(folder, {**GIVEN, **given}, {"train": dict(channel), "test": dict(channel)})
    for channel_name in ("train", "test"):
        path = job.folder(channel_name) / name
        if content_type == PARQUET:
            pyarrow.parquet.write_table(data, path, row_group_size=130)
        elif name == "bfloat16.npy":
            bfloat16.save(path, data)
        else:
            np.save(path, data)
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    return ended


def test_every_type_gives_the_same_model(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    few = {"write_report": "false", "write_assignments": "false"}
    ended = {
        "float32": trained(tmp_path / "a", PARQUET, "rows.parquet", table(rows), **CHOSEN, **few),
        "float16": trained(tmp_path / "b", PARQUET, "rows.parquet", table(rows.astype(np.float16)), **CHOSEN, **few),
        "npy": trained(tmp_path / "c", NPY, "rows.npy", rows.astype(np.float16), **few),
        "bfloat16": trained(tmp_path / "d", NPY, "bfloat16.npy", rows, **few),
    }
    assert len({one.centers.tobytes() for one in ended.values()}) == 1
    for one in ended.values():
        assert f"test msd <loss>={one.description['msd']}"[:26] in one.log
    assert "feature_names" not in ended["npy"].description


def test_names_and_ids(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    ended = trained(tmp_path, PARQUET, "rows.parquet", table(rows), **CHOSEN)
    assert "The features are the columns 'embedding'." in ended.log
    assert ended.description["feature_names"] == [f"embedding[{number}]" for number in range(D)]
    found = pyarrow.csv.read_csv(ended.base / "output/data/assignments/algo-1/rows.parquet.csv")
    labels, _ = Predictor(ended.centers).predict(rows)
    np.testing.assert_array_equal(found["closest_cluster"], labels)
    assert found["id"].to_pylist() == [f"no. {row}" for row in range(N)]
    assert "embedding[0]: " in (tmp_path / "output/data/report.html").read_text()
    arguments = ["--k", "2", str(tmp_path / "output/model.tar.gz"), str(tmp_path / "two.tar.gz")]
    assert resolve.main(["--data", str(tmp_path / "input/data/train"), "--content-type", PARQUET, *arguments]) == 0
    assert "embedding[0]: " in (tmp_path / "two-data/report.html").read_text()


def test_packed_numbers_are_in_their_own_units(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    stored = np.round(rows * 20).astype(np.int8)
    few = {"write_report": "false", "write_assignments": "false"}
    packed = trained(tmp_path / "a", PARQUET, "rows.parquet", table(stored, scale_factor="0.0625"), **CHOSEN, **few)
    plain = trained(tmp_path / "b", PARQUET, "rows.parquet", table(stored), **CHOSEN, **few)
    np.testing.assert_array_equal(packed.centers, plain.centers / 16)


def test_several_hosts(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    """A host without a file learns the columns of the test channel from the others."""
    channel = {"TrainingInputMode": "File", "ContentType": PARQUET, "S3DistributionType": "ShardedByS3Key"}
    cluster = Cluster(tmp_path, 2, {**GIVEN, **CHOSEN}, {"train": channel, "test": channel})
    try:
        pyarrow.parquet.write_table(table(rows), cluster.hosts[1].base / "input/data/train/rows.parquet")
        for host in cluster.hosts:
            pyarrow.parquet.write_table(table(rows), host.base / "input/data/test/rows.parquet")
        assert cluster.run() == [0, 0], cluster.logs
        description = json.loads((cluster.hosts[0].base / "model/kmeans.json").read_text())
        assert (description["rows"], len(description["feature_names"])) == (N, D)
    finally:
        cluster.close()
