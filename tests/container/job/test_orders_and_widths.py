"""Files in bad orders, and rows of very many features."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.records import encode
from tests.container.job.job import TOP, Job, msd, recordio
from tests.memory import peak_bytes

WIDTH = 100_000
# A mini-batch of rows of this width would take 2 GB; blocks of it and what a job of 20 centers keeps take much less.
PEAK_BYTES = 1 << 30


@pytest.mark.parametrize("layout", ["sorted by cluster", "a cluster in each file", "sorted by a feature"])
def test_the_order_of_the_files_matters_little(tmp_path: Path, digits: NDArray[np.float32], layout: str) -> None:
    target = load_digits().target
    job = Job(tmp_path, {"k": "10", "feature_dim": "64", "mini_batch_size": "200"})
    order = np.argsort(digits[:, 20] if "feature" in layout else target, kind="stable")
    if layout == "a cluster in each file":
        for digit in range(10):
            (job.folder("train") / f"{digit}.pbr").write_bytes(recordio(digits[target == digit]))
    else:
        (job.folder("train") / "rows.pbr").write_bytes(recordio(digits[order]))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    best = KMeans(10, n_init=10, random_state=0).fit(digits).inertia_ / len(digits)
    assert msd(digits, ended.centers) < 1.01 * best


def sparse_rows(n: int) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Make rows of two topics: 30 values among 200 features each."""
    rng = np.random.default_rng(0)
    topics = [rng.choice(WIDTH, 200, replace=False) for _ in range(2)]
    return [
        (np.sort(rng.choice(topics[i % 2], 30, replace=False)), rng.uniform(1, 2, 30).astype(np.float32))
        for i in range(n)
    ]


def sparse_record(keys: NDArray[np.int64], values: NDArray[np.float32]) -> Record:
    record = Record()
    tensor = record.features["values"].float32_tensor
    tensor.keys.extend(keys.tolist())
    tensor.values.extend(values.tolist())
    tensor.shape.append(WIDTH)
    return record


def test_sparse_rows_of_many_features_give_the_model_of_dense_ones_in_bounded_memory(tmp_path: Path) -> None:
    rows = sparse_rows(300)
    models = []
    for form in ("sparse", "dense"):
        job = Job(tmp_path / form, {"k": "2", "feature_dim": str(WIDTH)})
        with (job.folder("train") / "rows.pbr").open("wb") as file:
            for keys, values in rows:
                if form == "sparse":
                    file.write(encode([sparse_record(keys, values)]))
                else:
                    row = np.zeros(WIDTH, np.float32)
                    row[keys] = values
                    file.write(recordio(row[None]))
        job.configure()
        assert peak_bytes([TOP / "train"], job.environment()) < PEAK_BYTES
        models.append((job.base / "model/model_algo-1").read_bytes())
    assert models[0] == models[1]
