"""What jobs say of the distances of their rows: in kmeans.json, in the assignments, and as endpoints answer."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import sagemaker_kmeans
from container.artifacts.model import load
from container.configuration.channels import CSV
from container.serving.app import create_app
from container.serving.model import ServedModel
from container.serving.settings import ServingSettings
from sagemaker_kmeans.__main__ import main
from tests.container.hosts.cluster import cluster_of
from tests.container.job.job import Ended
from tests.container.job.test_resolve import resolve
from tests.container.job.test_standardize import csv, job_on, run

Doubles = NDArray[np.float64]
OUTPUTS = ("closest_cluster", "distance_to_cluster", "normalized_distance", "is_anomaly")
ALL = {"assignment_outputs": json.dumps(OUTPUTS)}
# A sample of some of the rows, and no closing passes.
SAMPLED = {"refine_sample_size": "300", "half_life_time_size": "100000"}
EUCLIDEAN = {"standardize": "false"}
KINDS = {"euclidean": EUCLIDEAN, "standardize": {}, "cosine": {**EUCLIDEAN, "distance": "cosine"}}
LEVELS = {"50": 0.5, "90": 0.9, "95": 0.95, "99": 0.99, "99.9": 0.999}


def rows_of(n_rows: int = 3000, seed: int = 0) -> Doubles:
    """Draw rows around five places, with tails."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, n_rows)
    places = np.random.default_rng(1).normal(size=(5, 4)) * 10.0
    rows = places[labels] + rng.standard_t(5, size=(n_rows, 4)) * (1.0 + 0.2 * labels[:, None])
    return rows.astype(np.float32).astype(np.float64)


def assigned(ended: Ended) -> Doubles:
    (path,) = (ended.base / "output/data/assignments").rglob("*.csv")
    assert path.read_text().startswith("closest_cluster,distance_to_cluster")
    return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)


def answered(ended: Ended, rows: Doubles, **settings: Any) -> Doubles:
    client = create_app(ServedModel(ended.base / "model"), ServingSettings(outputs=OUTPUTS, **settings)).test_client()
    answer = client.post("/invocations", data=csv(rows), content_type=CSV, headers={"Accept": CSV})
    assert answer.status_code == 200, answer.data
    return np.loadtxt(answer.data.decode().splitlines(), delimiter=",")


def check(entry: dict[str, Any], labels: Doubles, distances: Doubles, tolerance: float) -> None:
    """Compare an entry of kmeans.json with the distances of the rows."""
    for cluster in range(len(entry["radii"])):
        own = distances[labels == cluster]
        for name, level in LEVELS.items():
            expected = np.quantile(own, level, method="inverted_cdf")
            assert entry["quantiles"][name][cluster] == pytest.approx(expected, rel=tolerance + 1e-6, abs=1e-9)
    normalized = distances / np.array(entry["radii"])[labels.astype(int)]
    # Where a contamination is a whole number of rows, numpy may round to the next one.
    for contamination, threshold in zip(entry["contaminations"], entry["thresholds"], strict=True):
        expected = np.quantile(normalized, 1.0 - contamination, method="inverted_cdf")
        assert (
            threshold == pytest.approx(expected, rel=tolerance + 1e-6) or (contamination * len(normalized)).is_integer()
        )


@pytest.mark.parametrize("kind", KINDS)
def test_all_rows_are_measured_as_an_endpoint_measures_them(tmp_path: Path, kind: str) -> None:
    rows = rows_of()
    ended = run(job_on(tmp_path, rows, 5, **KINDS[kind], **ALL, **SAMPLED, contamination="0.02"))
    entry = ended.description["distances"]
    assert entry["of_all_rows"] is True
    assert 0.0 < entry["relative_error"] < 0.004
    written = assigned(ended)
    check(entry, written[:, 0], written[:, 1], entry["relative_error"])
    labels = written[:, 0].astype(int)
    for cluster in range(5):
        own = written[labels == cluster, 1]
        usual = own.mean() if kind == "cosine" else np.sqrt(np.square(own).mean())
        assert entry["radii"][cluster] == pytest.approx(usual, rel=1e-6)
    np.testing.assert_allclose(written[:, 2], written[:, 1] / np.array(entry["radii"])[labels], rtol=1e-6)
    assert written[:, 3].sum() == pytest.approx(60, abs=2)
    # An endpoint rounds rows less.
    found = answered(ended, rows)
    np.testing.assert_allclose(found[:, :3], written[:, :3], rtol=1e-4, atol=1e-6)
    assert np.count_nonzero(found[:, 3] != written[:, 3]) <= 1
    model = sagemaker_kmeans.load(ended.base / "model")
    np.testing.assert_allclose(model.normalized_distances(rows), found[:, 2], rtol=1e-5)
    assert np.count_nonzero(model.is_anomaly(rows) != found[:, 3]) <= 1
    for contamination in (0.2, 0.001):
        flagged = answered(ended, rows, contamination=contamination)[:, 3]
        assert flagged.sum() == pytest.approx(contamination * 3000, abs=3)
        assert np.count_nonzero(model.is_anomaly(rows, contamination) != flagged) <= 1


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    base = tmp_path_factory.mktemp("sampled")
    return run(job_on(base, rows_of(20_000), 5, **EUCLIDEAN, **SAMPLED, write_assignments="false"))


def test_a_sample_tells_about_them(sampled: Ended) -> None:
    entry = sampled.description["distances"]
    assert (entry["of_all_rows"], entry["relative_error"]) == (False, 0.0)
    differences = rows_of(20_000)[:, None] - sampled.centers.astype(np.float64)
    distances = np.sqrt(np.square(differences).sum(axis=2))
    labels, nearest = distances.argmin(axis=1), distances.min(axis=1)
    for cluster in range(5):
        own = nearest[labels == cluster]
        assert entry["radii"][cluster] == pytest.approx(np.sqrt(np.square(own).mean()), rel=0.1)
        assert entry["quantiles"]["50"][cluster] == pytest.approx(np.median(own), rel=0.25)
    normalized = nearest / np.array(entry["radii"])[labels]
    for contamination, least, most in ((0.1, 0.05, 0.15), (0.01, 0.001, 0.03)):
        threshold = np.interp(contamination, entry["contaminations"], entry["thresholds"])
        assert least < (normalized > threshold).mean() < most


def test_a_sample_of_all_rows_is_exact(tmp_path: Path) -> None:
    rows = rows_of()
    entry = run(job_on(tmp_path, rows, 5, **EUCLIDEAN)).description["distances"]
    assert (entry["of_all_rows"], entry["relative_error"]) == (True, 0.0)
    differences = rows[:, None] - load(tmp_path / "model").centers.astype(np.float64)
    distances = np.sqrt(np.square(differences).sum(axis=2))
    check(entry, distances.argmin(axis=1).astype(float), distances.min(axis=1), 0.0)


def test_clusters_of_one_row_and_of_equal_rows(tmp_path: Path) -> None:
    rows = np.concatenate([rows_of(500), [[1e3, 1e3, 1e3, 1e3]], np.full((20, 4), -900.0)])
    ended = run(job_on(tmp_path, rows, 7, **EUCLIDEAN, **ALL))
    entry = ended.description["distances"]
    alone = [int(label) for label in assigned(ended)[500:502, 0]]
    overall = np.sqrt(ended.description["msd"])
    for cluster in alone:
        assert entry["radii"][cluster] == pytest.approx(overall)
        assert [entry["quantiles"][name][cluster] for name in LEVELS] == [0.0] * 5
    found = answered(ended, np.array([[1e3, 1e3, 1e3, 1e3], [-900.0] * 4, [-900.0, -900.0, -900.0, -890.0]]))
    assert found[:, 0].tolist() == [alone[0], alone[1], alone[1]]
    np.testing.assert_allclose(found[:, 2], [0.0, 0.0, 10.0 / overall], rtol=1e-6)
    assert found[:, 3].tolist() == [0.0, 0.0, 1.0]


def test_hosts_count_theirs_together(tmp_path: Path) -> None:
    rows = rows_of().astype(np.float32)
    chosen = {"k": "5", "feature_dim": "4", "mini_batch_size": "500", **SAMPLED, **ALL}
    with cluster_of(tmp_path, 2, chosen) as cluster:
        cluster.put(rows[:1000], rows[1000:])
        assert cluster.run() == [0, 0], cluster.logs
        leader, other = cluster.hosts
        entry = json.loads((leader.base / "model/kmeans.json").read_text())["distances"]
        files = [next((host.base / "output/data/assignments").rglob("*.csv")) for host in (leader, other)]
        written = np.concatenate([np.loadtxt(file, delimiter=",", skiprows=1) for file in files])
    assert entry["of_all_rows"] is True
    assert len(written) == 3000
    check(entry, written[:, 0], written[:, 1], entry["relative_error"])
    normalized = written[:, 1] / np.array(entry["radii"])[written[:, 0].astype(int)]
    np.testing.assert_allclose(written[:, 2], normalized, rtol=1e-6)


def test_ids_and_dropped_rows_have_their_lines(tmp_path: Path) -> None:
    rows = rows_of(300)
    job = job_on(tmp_path, rows, 5, f"{CSV};label_size=0;header=present", **EUCLIDEAN, id_column="id", missing="drop",
                 assignment_outputs="is_anomaly,closest_cluster", feature_columns="a,b,c,d")  # fmt: skip
    lines = [f"r{number},{','.join(map(repr, row))}\n" for number, row in enumerate(rows.tolist())]
    lines[7] = "r7,1,,3,4\n"
    (job.folder("train") / "rows").write_text(f"id,a,b,c,d\n{''.join(lines)}")
    ended = run(job)
    (path,) = (ended.base / "output/data/assignments").rglob("*.csv")
    written = [line.split(",") for line in path.read_text().splitlines()]
    assert written[0] == ["id", "is_anomaly", "closest_cluster"]
    assert written[8] == ['"r7"', "", ""]
    assert {line[1] for line in written[1:]} == {"0", "1", ""}


def test_a_model_of_another_k_has_them_if_there_is_a_sample(sampled: Ended, tmp_path: Path) -> None:
    output, out = sampled.base / "output", tmp_path / "out.tar.gz"
    assert resolve("--k", "3", output, out).returncode == 0
    description = load(out).description or {}
    assert len(description["distances"]["radii"]) == 3
    assert description["distances"]["of_all_rows"] is False
    assert resolve("--k", "3", output / "model.tar.gz", tmp_path / "alone").returncode == 0
    assert load(tmp_path / "alone").distances is None
    data = sampled.base / "input/data/train"
    done = resolve("--k", "3", "--content-type", CSV, "--data", data, output, tmp_path / "read.tar.gz")
    assert done.returncode == 0, done.stderr
    assert (load(tmp_path / "read.tar.gz").description or {})["distances"]["of_all_rows"] is True


def test_a_model_of_another_k_writes_them(tmp_path: Path) -> None:
    rows = rows_of()
    job = job_on(tmp_path / "job", rows, 5, **EUCLIDEAN, **SAMPLED, **ALL)
    run(job)
    data, out = job.folder("train"), tmp_path / "out.tar.gz"
    done = resolve("--k", "3", "--content-type", CSV, "--data", data, job.base / "output", out)
    assert done.returncode == 0, done.stderr
    entry = (load(out).description or {})["distances"]
    assert (entry["of_all_rows"], len(entry["radii"])) == (True, 3)
    written = np.loadtxt(tmp_path / "out-data/assignments/rows.csv", delimiter=",", skiprows=1)
    check(entry, written[:, 0], written[:, 1], entry["relative_error"])
    normalized = written[:, 1] / np.array(entry["radii"])[written[:, 0].astype(int)]
    np.testing.assert_allclose(written[:, 2], normalized, rtol=1e-6)
    assert written[:, 3].sum() == pytest.approx(30, abs=2)


def test_the_command_line_writes_them(sampled: Ended, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(500, seed=2)
    np.save(tmp_path / "rows.npy", rows.astype(np.float32))
    model = str(sampled.base / "model")
    expected = answered(sampled, rows, contamination=0.1)
    for suffix in ("csv", "npy"):
        arguments = ["predict", model, str(tmp_path / "rows.npy"), str(tmp_path / f"out.{suffix}")]
        assert main([*arguments, "--output", ",".join(OUTPUTS), "--contamination", "0.1"]) == 0
    found = np.loadtxt(tmp_path / "out.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(found[:, [0, 3]], expected[:, [0, 3]])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    array = np.load(tmp_path / "out.npy")
    assert array.dtype.names == OUTPUTS
    np.testing.assert_array_equal(array["is_anomaly"], found[:, 3])
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(sampled.base / "model/model_algo-1", old)
    assert (
        main(["predict", str(old), str(tmp_path / "rows.npy"), str(tmp_path / "no.csv"), "--output", OUTPUTS[3]]) == 2
    )
    assert "expected a model with distances in kmeans.json, got one without" in capsys.readouterr().err
    assert not (tmp_path / "no.csv").exists()
