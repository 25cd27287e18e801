"""Jobs on rows some of which are far out of the range of the others, such as fill values for what is missing."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.container.job.job import Ended, Job, msd, recordio

Rows = NDArray[np.float32]
# Among them the fill value of netCDF, and the largest float32.
FILLS = [1e13, -1e18, 9.96921e36, 3.4028235e38]


def blobs(seed: int) -> Rows:
    rng = np.random.default_rng(7)
    centers = rng.uniform(-10, 10, (4, 3))
    rng = np.random.default_rng(seed)
    rows: Rows = (centers[rng.integers(0, 4, 3000)] + rng.standard_normal((3000, 3))).astype(np.float32)
    return rows


def trained(folder: Path, rows: Rows, k: int, **hyperparameters: str) -> Ended:
    job = Job(folder, {"k": str(k), "feature_dim": "3", "write_report": "false", **hyperparameters})
    job.channels["test"] = {"TrainingInputMode": "File"}
    (job.folder("train") / "rows.pbr").write_bytes(recordio(rows))
    (job.folder("test") / "rows.pbr").write_bytes(recordio(blobs(1)))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    return ended


def check(ended: Ended, rows: Rows) -> None:
    """Compare assignments and logged msd with what float64 makes of the model."""
    centers = ended.centers.astype(np.float64)
    squared = ((rows.astype(np.float64)[:, None] - centers) ** 2).sum(axis=2)
    found = np.loadtxt(ended.base / "output/data/assignments/algo-1/rows.pbr.csv", delimiter=",", skiprows=1)
    assert found[:, 0].tolist() == squared.argmin(axis=1).tolist()
    np.testing.assert_allclose(found[:, 1], np.sqrt(squared.min(axis=1)), rtol=1e-6)
    logged = {name: float(value) for name, value in re.findall(r"(train|test) msd <loss>=(\S+)", ended.log)}
    assert logged["test"] == pytest.approx(msd(blobs(1), ended.centers), rel=1e-9)
    if "train msd is exact" in ended.log:
        assert logged["train"] == pytest.approx(squared.min(axis=1).mean(), rel=1e-9)


@pytest.mark.parametrize(("where", "sample_size"), [("a row", "auto"), ("a feature of some rows", "500")])
def test_fill_values_cost_no_more_than_a_cluster_however_large(tmp_path: Path, where: str, sample_size: str) -> None:
    models = []
    for fill in FILLS:
        rows = blobs(0)
        rows[2000 if where == "a row" else slice(2000, 2004), slice(None) if where == "a row" else 1] = fill
        ended = trained(tmp_path / str(fill), rows, 5, refine_sample_size=sample_size)
        check(ended, rows)
        far = np.abs(ended.centers).max(axis=1) > 1e12
        assert far.sum() == 1
        models.append(ended.centers[~far])
    for model in models[1:]:
        np.testing.assert_allclose(model[np.lexsort(model.T)], models[0][np.lexsort(models[0].T)], rtol=1e-4)
    usual = np.delete(blobs(0), slice(2000, 2004), axis=0)
    alone = trained(tmp_path / "alone", usual, 4, refine_sample_size=sample_size)
    assert msd(usual, models[0]) <= 1.01 * msd(usual, alone.centers)


def test_distances_beyond_float32_are_written_as_they_are(tmp_path: Path) -> None:
    rows = blobs(0)
    # Each of these has its own corner, more than there are clusters.
    rows[:8] = 3.4e38 * np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
    ended = trained(tmp_path, rows, 4)
    check(ended, rows)
    assert np.isfinite(ended.centers).all()


@pytest.mark.parametrize(
    "hyperparameters", [{"half_life_time_size": "500"}, {"refine_sample_size": "1000"}, {"refine_sample_size": "0"}]
)
def test_rows_with_a_fill_value_are_clustered_by_their_other_features(
    tmp_path: Path, hyperparameters: dict[str, str]
) -> None:
    """All that a larger fill value changes is that value: so it is where rows count alike, and where they do not."""
    models = []
    for fill in (-9999.0, 9.96921e36):
        rows = blobs(0)
        rows[::3, 1] = fill
        ended = trained(tmp_path / str(fill), rows, 12, mini_batch_size="500", **hyperparameters)
        check(ended, rows)
        centers = ended.centers.copy()
        assert 4 <= (centers[:, 1] == np.float32(fill)).sum() <= 8
        centers[centers[:, 1] == np.float32(fill), 1] = 0
        models.append(centers)
    np.testing.assert_allclose(models[1], models[0], rtol=1e-5, atol=1e-5)
