"""`python -m container.resolve`: the model of another k, without the data."""

import json
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from container.artifacts import kept_sample
from container.artifacts.description import describe
from container.artifacts.model import SavedModel, load, load_state, save
from container.artifacts.state import dumps
from kmeans.sample import Sample
from kmeans.state import State
from tests.container.job.job import TOP, Ended, Job, msd, recordio


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory, digits: NDArray[np.float32]) -> Ended:
    job = Job(tmp_path_factory.mktemp("job"), {"k": "10", "feature_dim": "64", "seed": "3"})
    (job.folder("train") / "rows.pbr").write_bytes(recordio(digits))
    ended = job.run()
    assert ended.exit_code == 0, ended.log
    return ended


def resolve(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "container.resolve", *map(str, arguments)],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize("k", [2, 7, 15])
def test_it_is_as_good_as_a_job_of_its_own(solved: Ended, tmp_path: Path, digits: NDArray[np.float32], k: int) -> None:
    out = tmp_path / "out.tar.gz"
    done = resolve("--k", str(k), solved.base / "output", out)
    assert done.returncode == 0, done.stderr
    assert "no sample" not in done.stdout + done.stderr
    model = load(out)
    assert model.centers.shape == (k, 64)
    loss = msd(digits, model.centers)
    assert loss < 1.01 * KMeans(k, n_init=10, random_state=0).fit(digits).inertia_ / len(digits)
    assert model.description is not None
    assert model.description["msd"] == pytest.approx(loss)
    assert model.description["resolved_from_k"] == 10
    assert model.description["hyperparameters"]["k"] == str(k)
    assert sum(model.description["cluster_sizes"]) == len(digits)


@pytest.mark.parametrize("k", [2, 7, 10])
def test_a_model_alone_is_enough_and_less_accurate(
    solved: Ended, tmp_path: Path, digits: NDArray[np.float32], k: int
) -> None:
    done = resolve("--k", str(k), solved.base / "output/model.tar.gz", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "There is no sample of the rows: the model is less accurate than with --sample or --data" in (
        done.stdout + done.stderr
    )
    model = load(tmp_path / "out")
    loss = msd(digits, model.centers)
    assert loss < 1.05 * KMeans(k, n_init=10, random_state=0).fit(digits).inertia_ / len(digits)
    description = model.description
    assert description is not None
    assert description["msd"] == pytest.approx(loss, rel=0.1)
    assert abs(description["msd"] - loss) < 2 * description["msd_error"]
    assert (description["msd_is_exact"], description["rows_scored"], description["rows"]) == (False, 0, 1797)
    labels = ((digits[:, None] - model.centers) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_allclose(description["cluster_sizes"], np.bincount(labels, minlength=k), atol=0.1 * 1797)
    assert sum(description["cluster_sizes"]) == 1797


def test_the_sample_may_lie_anywhere_and_earlier_models_have_it(solved: Ended, tmp_path: Path) -> None:
    folder = tmp_path / "earlier"
    shutil.copytree(solved.base / "model", folder)
    shutil.copy(solved.base / "output/data/state.npz", folder)
    with tarfile.open(tmp_path / "output.tar.gz", "w:gz") as tar:
        tar.add(solved.base / "output/data", "data")
    sources: list[list[str | Path]] = [
        [solved.base / "output"],
        [folder],
        ["--sample", tmp_path / "output.tar.gz", solved.base / "model"],
        ["--sample", solved.base / "output/data/state.npz", solved.base / "output/model.tar.gz"],
    ]
    found = []
    for number, source in enumerate(sources):
        done = resolve("--k", "5", *source, tmp_path / str(number))
        assert done.returncode == 0, done.stdout + done.stderr
        found.append((tmp_path / str(number)).read_bytes())
    assert found.count(found[0]) == len(found)


def test_a_sample_that_is_none_or_that_of_another_job(solved: Ended, tmp_path: Path) -> None:
    state, coordinates = kept_sample.find(solved.base / "output") or pytest.fail("no sample")
    (tmp_path / "state.npz").write_bytes(dumps(replace(state, weights=2 * state.weights), coordinates))
    model = solved.base / "model"
    done = resolve("--k", "5", "--sample", tmp_path, model, tmp_path / "out")
    assert done.returncode == 2
    expected = f"{tmp_path}: expected the sample of the job that made {model}, got that of another"
    assert expected in done.stdout + done.stderr
    done = resolve("--k", "5", "--sample", model, model, tmp_path / "out")
    assert done.returncode == 2
    assert f"{model}: expected state.npz with a sample, got none" in done.stdout + done.stderr


def test_a_resolved_model_can_be_resolved_again(solved: Ended, tmp_path: Path, digits: NDArray[np.float32]) -> None:
    assert resolve("--k", "8", solved.base / "output", tmp_path / "a").returncode == 0
    assert resolve("--k", "5", tmp_path / "a", tmp_path / "b").returncode == 0
    state = load_state(tmp_path / "b")[0]
    assert state.weights.sum() == pytest.approx(1797)
    assert not len(state.sample.rows)
    best = KMeans(5, n_init=10, random_state=0).fit(digits).inertia_ / len(digits)
    assert msd(digits, load(tmp_path / "b").centers) < 1.05 * best


@pytest.mark.parametrize(("k", "message"), [(1, "k: expected an integer from 2"), (101, "Expected k up to ")])
def test_a_k_that_the_state_does_not_hold(solved: Ended, tmp_path: Path, k: int, message: str) -> None:
    done = resolve("--k", str(k), solved.base / "model", tmp_path / "out.tar.gz")
    assert done.returncode == 2
    assert message in done.stdout + done.stderr
    assert not (tmp_path / "out.tar.gz").exists()


def test_a_state_whose_centers_are_the_same(tmp_path: Path) -> None:
    """None that a job has left, but one that can be made."""
    rows = np.ones((5, 2), np.float32)
    sample = Sample(rows, np.zeros(5, np.int64), np.ones(5), complete=True)
    state = State(np.zeros((9, 2)), np.ones(9), rows[0], sample)
    description = describe(rows[:2], hyperparameters={"feature_dim": "2"}, seed=0, cluster_sizes=[5, 0], msd=0.0)
    save(tmp_path / "model", "algo-1", SavedModel(rows[:2], description), state)
    done = resolve("--k", "3", tmp_path / "model", tmp_path / "out.tar.gz")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Expected k up to 1, as many different centers as the state of" in done.stdout + done.stderr
    assert not (tmp_path / "out.tar.gz").exists()


def test_a_model_without_a_state(tmp_path: Path) -> None:
    done = resolve("--k", "3", tmp_path, tmp_path / "out.tar.gz")
    assert done.returncode == 2
    assert "expected one file named model_<host>, got no file" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (".", "expected a file to write, got a folder"),
        ("nowhere/out.tar.gz", "expected a file in a folder that exists, got nowhere"),
        ("s3://bucket/out.tar.gz", "expected a path on this machine, got 's3://bucket/out.tar.gz'"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, out: str, message: str) -> None:
    done = resolve("--k", "3", tmp_path, out)
    assert done.returncode == 2
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_curve_has_the_loss_of_each_k(solved: Ended, digits: NDArray[np.float32]) -> None:
    curve = json.loads((solved.base / "output/data/msd_by_k.json").read_text())["msd_by_k"]
    assert [point["k"] for point in curve] == list(range(2, 21))
    for point in curve[::6]:
        best = KMeans(point["k"], n_init=3, random_state=0).fit(digits).inertia_ / len(digits)
        assert point["msd"] == pytest.approx(best, rel=0.03)
    assert curve[8]["msd"] == solved.description["msd"]


def test_the_suggestion_is_logged_and_indices_are_written(solved: Ended) -> None:
    content = json.loads((solved.base / "output/data/msd_by_k.json").read_text())
    own = content["msd_by_k"][8]
    assert set(own) == {"k", "msd", "msd_error", "silhouette", "davies_bouldin", "calinski_harabasz"}
    for index in ("silhouette", "davies_bouldin", "calinski_harabasz"):
        assert solved.description[index] == own[index]
    assert content["suggestion"] is None
    assert "suggested number of clusters: no clear number from 2 to 20" in solved.log


def test_the_indices_are_those_of_scikit_learn(solved: Ended, digits: NDArray[np.float32]) -> None:
    labels = ((digits[:, None] - solved.centers) ** 2).sum(axis=2).argmin(axis=1)
    description = solved.description
    assert description["davies_bouldin"] == pytest.approx(davies_bouldin_score(digits, labels), rel=1e-3)
    assert description["calinski_harabasz"] == pytest.approx(calinski_harabasz_score(digits, labels), rel=1e-3)
    assert description["silhouette"] == pytest.approx(silhouette_score(digits, labels), abs=0.15)


def test_with_the_data_it_writes_a_report_and_the_assignments(
    solved: Ended, tmp_path: Path, digits: NDArray[np.float32]
) -> None:
    data = solved.base / "input/data/train"
    done = resolve("--k", "7", "--data", data, solved.base / "model", tmp_path / "seven.tar.gz")
    assert done.returncode == 0, done.stderr
    model = load(tmp_path / "seven.tar.gz")
    beside = tmp_path / "seven-data"
    assert "<h1>7 clusters</h1>" in (beside / "report.html").read_text()
    # The sample is drawn from the data.
    best = KMeans(7, n_init=10, random_state=0).fit(digits).inertia_ / len(digits)
    assert msd(digits, model.centers) < 1.01 * best
    lines = (beside / "assignments/rows.pbr.csv").read_text().splitlines()
    assert lines[0] == "closest_cluster,distance_to_cluster"
    table = np.array([line.split(",") for line in lines[1:]], float)
    squares = ((digits[:, None] - model.centers) ** 2).sum(axis=2)
    np.testing.assert_array_equal(table[:, 0], squares.argmin(axis=1))
    np.testing.assert_allclose(table[:, 1] ** 2, squares.min(axis=1), rtol=1e-4)
    assert model.description is not None
    curve = {point["k"]: point for point in json.loads((beside / "msd_by_k.json").read_text())["msd_by_k"]}
    assert curve[7]["msd"] == model.description["msd"] == pytest.approx(squares.min(axis=1).mean())
    assert curve[7]["silhouette"] == model.description["silhouette"]
    again = resolve("--k", "7", "--data", data, solved.base / "model", tmp_path / "seven.tar.gz")
    assert again.returncode == 2
    assert "seven-data: expected no such folder" in again.stdout + again.stderr


def test_other_data_than_the_model_was_made_of(solved: Ended, tmp_path: Path, digits: NDArray[np.float32]) -> None:
    (tmp_path / "other").mkdir()
    np.savetxt(tmp_path / "other/rows.csv", digits[:100], "%g", delimiter=",")
    given: list[str | Path] = ["--data", tmp_path / "other", "--content-type", "text/csv;label_size=0"]
    done = resolve("--k", "3", *given, solved.base / "model", tmp_path / "three.tar.gz")
    assert done.returncode == 2
    assert "other: expected the 1797 rows that the model was made of, got 100" in done.stdout + done.stderr
    done = resolve("--k", "3", *given, solved.base / "output", tmp_path / "three.tar.gz")
    assert done.returncode == 0, done.stderr
    assert "has 100 rows, but the model was made of 1797" in done.stdout + done.stderr
    assert len((tmp_path / "three-data/assignments/rows.csv.csv").read_text().splitlines()) == 101
    description = load(tmp_path / "three.tar.gz").description
    assert description is not None
    assert description["rows"] == 1797


@pytest.mark.parametrize(
    ("data", "content_type", "message"),
    [
        ("nowhere", "text/csv", "nowhere: expected the folder of the training data, got none"),
        (
            ".",
            "text/html",
            "expected content type application/x-recordio-protobuf or text/csv or application/x-parquet or"
            ' application/x-npy, got "text/html"',
        ),
        ("s3://bucket/rows", "text/csv", "expected a path on this machine, got 's3://bucket/rows'"),
    ],
)
def test_data_that_cannot_be_read(tmp_path: Path, data: str, content_type: str, message: str) -> None:
    done = resolve("--k", "3", "--data", data, "--content-type", content_type, tmp_path, tmp_path / "out.tar.gz")
    assert done.returncode == 2
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
