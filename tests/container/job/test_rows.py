"""Rows of the training data in what a job leaves: none in the model, and none anywhere if the job says so."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.container.job.job import Ended, Job, recordio

Rows = NDArray[np.float32]
ROWS: Rows = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)


def run(base: Path, rows: Rows, **changes: str) -> Ended:
    job = Job(base, {"k": "3", "feature_dim": "5", "mini_batch_size": "50", **changes})
    (job.folder("train") / "rows").write_bytes(recordio(rows))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    return ended


def shown(content: bytes, rows: Rows) -> int:
    """Count the rows that are somewhere in a file, in float32 or in float64."""
    return sum(row.tobytes() in content or row.astype(np.float64).tobytes() in content for row in rows)


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]


@pytest.mark.parametrize("n_rows", [12, 40, 300])
@pytest.mark.parametrize("changes", [{}, {"epochs": "3"}, {"refine_sample_size": "0"}, {"half_life_time_size": "100"}])
def test_a_model_holds_none(tmp_path: Path, n_rows: int, changes: dict[str, str]) -> None:
    ended = run(tmp_path, ROWS[:n_rows], write_report="false", **changes)
    centers = {center.tobytes() for center in ended.centers}
    others = np.array([row for row in ROWS[:n_rows] if row.tobytes() not in centers])
    files = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    assert files == members(tmp_path / "output/model.tar.gz")
    assert [name for name, content in files.items() if shown(content, others)] == []
    kept = tmp_path / "output/data/state.npz"
    if "refine_sample_size" in changes:
        assert not kept.exists()
    else:
        assert shown(kept.read_bytes(), ROWS[:n_rows]) == n_rows


def test_without_a_sample_there_is_none_in_any_output(tmp_path: Path) -> None:
    (tmp_path / "output/data").mkdir(parents=True)
    (tmp_path / "output/data/state.npz").write_bytes(b"of an earlier job")
    ended = run(tmp_path, ROWS[:, :2], keep_sample="false", feature_dim="2")
    assert not (tmp_path / "output/data/state.npz").exists()
    page = (tmp_path / "output/data/report.html").read_text()
    assert "Rows are not shown" in " ".join(page.split())
    # A row with two features is drawn as it is.
    assert sum(f"{row[0]:.5g}," in page for row in ROWS) < 5
    assert ended.description["msd_is_exact"] is True


def test_with_one_the_report_says_that_it_shows_some(tmp_path: Path) -> None:
    ended = run(tmp_path, ROWS)
    assert "wrote" in ended.log
    assert f"{tmp_path}/output/data/state.npz, with a sample of 300 rows" in ended.log
    assert "The dots are rows of the training data" in (tmp_path / "output/data/report.html").read_text()
