"""Jobs whose hyperparameters are at the ends of their ranges: they end, in bounded memory, or are refused."""

import resource
import signal
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from container.configuration.domains import Continuous, Integer
from container.configuration.hyperparameter_table import TABLE
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.records import encode
from tests.container.job.job import Ended, Job, csv

ROWS = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
CSV = {"train": {"ContentType": "text/csv"}}
# A job maps half of it before it has read a row.
ADDRESS_BYTES = 4 << 30
# Those that decide what is to be computed at all have tests of their own.
COMPUTED = {"k", "feature_dim", "epochs", "extra_center_factor", "local_lloyd_num_trials"}
RANGES = {
    row.name: row.domain for row in TABLE if isinstance(row.domain, Integer | Continuous) and row.name not in COMPUTED
}


def sparse_record(key: int, n_features: int) -> Record:
    record = Record()
    tensor = record.features["values"].float32_tensor
    tensor.values.append(1.0)
    tensor.keys.append(key)
    tensor.shape.append(n_features)
    return record


def run(base: Path, given: Mapping[str, object], *, name: str = "rows.csv", content: bytes | None = None) -> Ended:
    raw = {"k": "3", "feature_dim": "3"} | {key: f"{value}" for key, value in given.items()}
    job = Job(base, raw, CSV if name.endswith(".csv") else {"train": {}})
    (job.folder("train") / name).write_bytes(csv(ROWS) if content is None else content)
    process = job.start()
    resource.prlimit(process.pid, resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    return job.ended(process)


@pytest.mark.parametrize("end", ["minimum", "maximum"])
def test_all_at_one_end_together(tmp_path: Path, end: str) -> None:
    ends = {name: getattr(domain, end) for name, domain in RANGES.items()}
    if end == "minimum":
        ends |= {"extra_center_factor": 1, "local_lloyd_num_trials": 1, "epochs": 1, "k": 2}
    ended = run(tmp_path, ends)
    assert ended.exit_code == 0, ended.log
    assert np.isfinite(ended.centers).all()


@pytest.mark.parametrize("more", [{}, {"mini_batch_size": 1, "refine_sample_size": 0}])
def test_more_clusters_than_rows_are_refused_at_once(tmp_path: Path, more: Mapping[str, object]) -> None:
    ended = run(tmp_path, {"k": 2**24, **more})
    assert (ended.exit_code, ended.failure) == (
        2,
        "Customer Error: k = 16777216 clusters need at least as many distinct rows; the 200 training rows looked at "
        "hold 200.",
    )


def test_centers_without_memory_are_refused(tmp_path: Path) -> None:
    ended = run(tmp_path, {"extra_center_factor": 2**31 - 1})
    assert ended.exit_code == 2, ended.log
    expected = "Customer Error: 6442450941 intermediate centers of 3 features take at least "
    assert ended.failure.startswith(expected)
    assert "Lower k, extra_center_factor or refine_sample_size, or take a larger machine." in ended.failure


def test_so_are_features_without_memory_that_sparse_records_have(tmp_path: Path) -> None:
    n_features = 2**31 - 1
    records = [sparse_record(key, n_features) for key in range(200)]
    ended = run(tmp_path, {"feature_dim": n_features}, name="rows.pbr", content=encode(records))
    assert ended.exit_code == 2, ended.log
    assert ended.failure.startswith(
        f"Customer Error: 30 intermediate centers of {n_features} features take at least "
    ), ended.log


def test_features_that_the_rows_do_not_have_are_reported_as_such(tmp_path: Path) -> None:
    ended = run(tmp_path, {"feature_dim": 2**31 - 1})
    assert ended.exit_code == 2
    assert "record 1: expected 2147483647 columns, or 2147483648 with a label first, got 3" in ended.failure


@pytest.mark.parametrize(
    ("name", "sign"), [("epochs", '"epoch": 3,'), ("local_lloyd_num_trials", "local kmeans attempt #150.")]
)
def test_what_has_no_end_is_ended_by_a_signal(tmp_path: Path, name: str, sign: str) -> None:
    job = Job(tmp_path, {"k": "3", "feature_dim": "3", name: str(2**31 - 1)}, CSV)
    (job.folder("train") / "rows.csv").write_bytes(csv(ROWS))
    process = job.start(SAGEMAKER_KMEANS_GRACE_SECONDS="0")
    resource.prlimit(process.pid, resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    assert process.stdout is not None
    assert any(sign in line for line in process.stdout)
    process.send_signal(signal.SIGTERM)
    ended = job.ended(process)
    assert ended.exit_code == 0, ended.log
    assert np.isfinite(ended.centers).all()


def test_very_many_clusters_have_no_line_of_all_their_sizes(tmp_path: Path) -> None:
    rows = np.arange(1001, dtype=np.float32)[:, None]
    given = {"k": 1001, "feature_dim": 1, "extra_center_factor": 1}
    ended = run(tmp_path, given, content=csv(rows))
    assert ended.exit_code == 0, ended.log
    assert "cluster sizes in these rows: 1 to 1, see kmeans.json" in ended.log
