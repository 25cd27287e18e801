"""Models loaded without any SDK: every form they come in, and the same numbers as `serve` answers."""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

import sagemaker_kmeans
from container.artifacts import mxnet_ndarray, tarball
from container.artifacts.description import describe
from container.artifacts.model import SavedModel, save
from container.precision.coordinates import Coordinates
from container.serving.model import predictor_of
from kmeans.prediction import Predictor
from sagemaker_kmeans import LocalModel, ModelError, load
from tools.documents import ROOT

CENTERS = np.array([[0.0, 0.0], [3.0, 4.0], [10.0, -1.0]], np.float32)
# What float32 cannot hold apart: seconds since 1970.
FINE_CENTERS = np.array([[1.7e9, 0.0], [1.7e9 + 1.0, 0.0], [1.7e9 + 2.0, 5.0]])
# Of the models' training rows.
DISTANCES = {
    "contamination": 0.01,
    "radii": [1.0, 2.0, 4.0],
    "contaminations": [0.01, 0.1, 0.5],
    "thresholds": [2.0, 1.25, 0.5],
}


def saved(folder: Path, centers: NDArray[Any], **facts: Any) -> Path:
    described = describe(centers, hyperparameters={}, seed=1, cluster_sizes=[4.0, 5.0, 6.0], msd=1.0, **facts)
    save(folder, "algo-1", SavedModel(centers, described))
    return folder


def packed(folder: Path) -> Path:
    path = folder.with_suffix(".tar.gz")
    tarball.write(path, folder.iterdir())
    return path


@pytest.mark.parametrize("form", ["folder", "tarball", "folder of a tarball", "bare", "text", "address"])
def test_a_model_of_any_form_is_loaded(tmp_path: Path, form: str) -> None:
    folder = saved(tmp_path / "saved", CENTERS)
    path = {
        "folder": folder,
        "tarball": packed(folder),
        "folder of a tarball": tmp_path / "job",
        "bare": folder / "model_algo-1",
        "text": folder,
        "address": folder,
    }[form]
    if form == "folder of a tarball":
        path.mkdir()
        packed(folder).rename(path / "model.tar.gz")
    model = load({"text": str(path), "address": f"file://{path}"}.get(form, path))
    np.testing.assert_array_equal(model.centers, CENTERS)
    assert model.centers.dtype == np.float32
    sizes = None if model.cluster_sizes is None else model.cluster_sizes.tolist()
    assert sizes == (None if form == "bare" else [4.0, 5.0, 6.0])


class Frame:
    """What a DataFrame is to numpy, with the names of its columns."""

    def __init__(self, *columns: object) -> None:
        self.columns = columns

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        del copy
        return CENTERS.astype(dtype)


def test_a_frame_has_the_columns_of_the_model() -> None:
    model = LocalModel(CENTERS.copy(), {"feature_names": ["age", "income"]})
    for columns in (("age", "income"), ("Age", "Income"), (0, 1)):
        assert model.predict(Frame(*columns)).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="expected 'income' in column 1, as in the model, not in 0"):
        model.predict(Frame("income", "age"))


def test_a_model_of_the_built_in_has_neither_sizes_nor_names(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    content = mxnet_ndarray.dumps(CENTERS)
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("./model_algo-1")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    model = load(path)
    np.testing.assert_array_equal(model.centers, CENTERS)
    assert (model.cluster_sizes, model.feature_names, model.description) == (None, None, {})


def test_names_of_features_are_those_of_the_description(tmp_path: Path) -> None:
    assert load(saved(tmp_path, CENTERS, feature_names=["age", "income"])).feature_names == ("age", "income")


@pytest.mark.parametrize("centers", [CENTERS, FINE_CENTERS])
def test_answers_are_those_of_serve(tmp_path: Path, centers: NDArray[Any]) -> None:
    rng = np.random.default_rng(0)
    rows = (centers[rng.integers(0, 3, 5000)] + rng.normal(0.0, 1.0, (5000, 2))).astype(centers.dtype)
    rows[:2] = centers[:2].mean(axis=0)
    model = load(packed(saved(tmp_path / "saved", centers)))
    labels, distances = Predictor(centers).predict(rows)
    assert model.centers.dtype == centers.dtype
    np.testing.assert_array_equal(model.predict(rows), labels)
    found_labels, found_distances = model.predict_with_distances(rows)
    np.testing.assert_array_equal(found_labels, labels)
    np.testing.assert_array_equal(found_distances, distances)
    squared = Predictor(centers).squared_distances(rows)
    np.testing.assert_array_equal(model.distances(rows), np.sqrt(squared).astype(np.float32))


@pytest.mark.parametrize("centers", [CENTERS, FINE_CENTERS])
def test_answers_are_those_of_serve_in_standard_deviations_too(tmp_path: Path, centers: NDArray[Any]) -> None:
    coordinates = Coordinates(centers.mean(axis=0, dtype=np.float64) + 0.1, np.array([0.25, 1e4]))
    rows = (centers[np.random.default_rng(0).integers(0, 3, 2000)] * 1.01).astype(centers.dtype)
    model = load(saved(tmp_path, centers, **coordinates.description()))
    predictor = predictor_of(tmp_path, 1 << 30)
    for found, expected in zip(model.predict_with_distances(rows), predictor.predict(rows), strict=True):
        np.testing.assert_array_equal(found, expected)
    squared = predictor.squared_distances(rows)
    np.testing.assert_array_equal(model.distances(rows), np.sqrt(squared).astype(np.float32))
    differences = (rows[:, None] - centers.astype(np.float64)) / [0.25, 1e4]
    np.testing.assert_allclose(squared, np.square(differences).sum(axis=2), rtol=1e-6)


def test_missing_numbers_are_filled_as_an_endpoint_fills_them(tmp_path: Path) -> None:
    model = load(saved(tmp_path / "model", CENTERS, missing_numbers=[3.0, 4.0]))
    rows = [[np.nan, 4.0], [10.0, -1.0], [np.nan, np.nan]]
    labels, distances = model.predict_with_distances(rows)
    assert (labels.tolist(), distances.tolist()) == ([1, 2, 1], [0, 0, 0])
    expected, _ = predictor_of(tmp_path / "model", 1 << 30).predict(np.array(rows, np.float32))
    assert expected.tolist() == [1, 2, 1]
    with pytest.raises(ValueError, match="finite in float32, got others in row 0"):
        model.predict([[np.inf, 0.0]])
    with pytest.raises(ModelError, match="expected missing_numbers to be 2 finite numbers"):
        LocalModel(CENTERS.copy(), {"missing_numbers": [1.0]})


@pytest.mark.parametrize(
    ("standardization", "message"),
    [
        ([], "expected standardization to be an object, got list"),
        ({"means": [0.0, 0.0]}, "expected scales to be 2 finite numbers"),
        ({"means": [0.0], "scales": [1.0, 1.0]}, "expected means to be 2 finite numbers"),
        ({"means": [0.0, 0.0], "scales": [1.0, 0.0]}, "expected scales of more than 0"),
        ({"means": [0.0, float("nan")], "scales": [1.0, 1.0]}, "expected means to be 2 finite numbers"),
    ],
)
def test_units_that_are_odd_are_refused(standardization: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        LocalModel(CENTERS.copy(), {"standardization": standardization})


def test_answers_are_those_of_serve_for_directions_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(3, 6))
    centers = (centers / np.linalg.norm(centers, axis=1, keepdims=True)).astype(np.float32)
    rows = (rng.normal(size=(2000, 6)) * 10.0 ** rng.integers(-38, 37, (2000, 1))).astype(np.float32)
    model = load(saved(tmp_path, centers, distance="cosine"))
    labels, distances = model.predict_with_distances(rows)
    served_labels, served = predictor_of(tmp_path, 1 << 30).predict(rows)
    np.testing.assert_array_equal(labels, served_labels)
    np.testing.assert_allclose(distances, served, rtol=1e-6)
    exact = rows.astype(np.float64)
    cosines = exact @ centers.astype(np.float64).T / np.linalg.norm(exact, axis=1, keepdims=True)
    np.testing.assert_allclose(model.distances(rows), 1.0 - cosines, atol=1e-6)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"distance": ["cosine"]}, "expected distance to be euclidean or cosine, got something else"),
        ({"distance": "cosine"}, "expected centers of length 1 with distance cosine, got others"),
        ({"distance": "cosine", "standardization": {"means": [0, 0], "scales": [1, 1]}}, "expected no standardization"),
    ],
)
def test_distances_that_are_odd_are_refused(description: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        LocalModel(CENTERS.copy(), description)


@pytest.mark.parametrize(("k", "d"), [(2, 1), (300, 3), (7, 1500)])
def test_near_ties_and_far_data_get_the_labels_of_serve(k: int, d: int) -> None:
    rng = np.random.default_rng(k)
    centers = (rng.integers(0, 3, (k, d)) + 1e6).astype(np.float32)
    rows = (rng.integers(0, 3, (500, d)) + 1e6).astype(np.float32)
    labels, distances = Predictor(centers).predict(rows)
    found_labels, found_distances = LocalModel(centers, {}).predict_with_distances(rows)
    np.testing.assert_array_equal(found_labels, labels)
    np.testing.assert_array_equal(found_distances, distances)


def test_rows_of_any_kind_are_asked() -> None:
    model = LocalModel(CENTERS.copy(), {})

    kinds: list[Any] = [[[3, 4]], [3.0, 4.0], np.array([[3, 4]], np.int64), coo_array([[3.0, 4.0]])]
    for rows in kinds:
        assert model.predict(rows).tolist() == [1]
    assert model.predict(np.empty((0, 2))).tolist() == []
    assert model.distances([3, 4])[0].tolist()[:2] == [5.0, 0.0]


def test_a_sparse_matrix_is_made_dense_a_block_at_a_time() -> None:
    n, d = 1000, 1 << 15
    rows = csr_array((np.ones(n), np.arange(n), np.arange(n + 1)), shape=(n, d))
    centers = np.zeros((2, d), np.float32)
    centers[1, 990] = 1.0
    model = LocalModel(centers, {})
    tracemalloc.start()
    labels = model.predict(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.flatnonzero(labels).tolist() == [990]
    assert peak < 8 * n * d / 2
    np.testing.assert_array_equal(model.distances(rows[980:]), model.distances(rows[980:].toarray()))
    rows.data[980] = np.nan
    with pytest.raises(ValueError, match="got others in row 980"):
        model.predict(rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0]], r"expected rows of shape \(n, 2\), got \(1, 1\)"),
        ([[0.0, 0.0], [np.nan, 0.0]], "got others in row 1"),
        ([[0.0, 1e39]], "finite in float32, got others in row 0"),
        (["a", "b"], "could not convert"),
        ([[1j, 0.0]], "expected real numbers, got complex ones"),
    ],
)
def test_what_are_no_rows_is_refused(rows: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LocalModel(CENTERS.copy(), {}).predict(rows)


def hostile_files() -> dict[str, tuple[bytes, str]]:
    good = mxnet_ndarray.dumps(CENTERS)
    return {
        "nothing": (b"", "expected 8 more bytes, got 0"),
        "another format": (b"PK\x03\x04" + bytes(100), "expected an MXNet NDArray file"),
        "cut": (good[:-20], "more bytes, got"),
        "more": (good + b"x", "expected the end of the file, got 1 more bytes"),
        "many arrays": (good[:16] + b"\xff" * 8 + good[24:], "expected one array, got 18446744073709551615"),
        "huge": (good[:36] + b"\xff\xff\xff\xff\xff\xff\xff\x7f" * 2 + good[52:], "more bytes, got"),
        "infinite": (mxnet_ndarray.dumps(np.full((2, 2), np.inf, np.float32)), "finite centers"),
        "a vector": (mxnet_ndarray.dumps(np.ones(3, np.float32)), "expected a matrix, got 1 dimensions"),
    }


@pytest.mark.parametrize("case", hostile_files())
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, case: str) -> None:
    content, message = hostile_files()[case]
    path = tmp_path / "model_algo-1"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (b"{", "expected valid JSON"),
        (b"[" * 100_000, "expected valid JSON"),
        (b"[]", "expected an object, got list"),
        (b'{"centers": [[0, 0]]}', "expected 3 centers"),
        (b'{"centers": [[0, 0], [0, 0], [0, "a"]]}', "to be 2 finite numbers"),
        (b'{"centers": [[0, 0], [0, 0], [0, 0]]}', "round to those of the model's file"),
        (b'{"cluster_sizes": [1, 2, 1' + b"0" * 400 + b"]}", "expected cluster_sizes to be 3 finite numbers"),
        (b'{"cluster_sizes": [1, 2, NaN]}', "expected cluster_sizes to be 3 finite numbers"),
        (b'{"feature_names": ["a"]}', "expected feature_names to be 2 different texts"),
        (b'{"feature_names": ["a", "a"]}', "expected feature_names to be 2 different texts"),
    ],
)
def test_a_description_of_something_else_is_refused(tmp_path: Path, description: bytes, message: str) -> None:
    saved(tmp_path, CENTERS)
    (tmp_path / "kmeans.json").write_bytes(description)
    with pytest.raises(ModelError, match=message):
        load(tmp_path)


def test_a_tarball_is_bounded_however_little_it_takes_compressed(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("other")
        member.size = 32 << 20
        tar.addfile(member, io.BytesIO(bytes(member.size)))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ModelError, match="expected at most max_bytes=4194304 bytes, got more"):
        load(path, max_bytes=4 << 20)


def test_damaged_tarballs_are_refused(tmp_path: Path) -> None:
    whole = packed(saved(tmp_path / "saved", CENTERS)).read_bytes()
    path = tmp_path / "cut.tar.gz"
    for end in (3, 30, len(whole) // 2):
        path.write_bytes(whole[:end])
        with pytest.raises(ModelError, match=r"tarball|expected one file"):
            load(path)


def test_no_other_number_than_was_written_is_loaded(tmp_path: Path) -> None:
    whole = packed(saved(tmp_path / "saved", CENTERS)).read_bytes()
    path = tmp_path / "damaged.tar.gz"
    for position in range(0, len(whole), 97):
        damaged = bytearray(whole)
        damaged[position] ^= 16
        path.write_bytes(damaged)
        # In the head of a gzip file are a time and a system, which are no part of its checksum.
        with pytest.raises(ModelError) if position > 10 else suppress(ModelError):
            load(path)


def test_a_link_in_a_tarball_is_no_file_of_a_model(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("model_algo-1")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(ModelError, match="expected one file named model_<host>, got no file"):
        load(path)


def test_two_models_nothing_and_a_fifo_are_reported(tmp_path: Path) -> None:
    saved(tmp_path / "two", CENTERS)
    (tmp_path / "two" / "model_algo-2").write_bytes(b"")
    with pytest.raises(ModelError, match=r"got kmeans\.json, model_algo-1, model_algo-2"):
        load(tmp_path / "two")
    with pytest.raises(ModelError, match="expected a file, got none"):
        load(tmp_path / "none")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ModelError, match="expected a regular file"):
        load(tmp_path / "fifo")


def test_the_package_needs_numpy_alone(tmp_path: Path) -> None:
    saved(tmp_path, CENTERS)
    program = f"""
import sys
import sagemaker_kmeans
assert sagemaker_kmeans.load({str(tmp_path)!r}).predict([[3, 4]]).tolist() == [1]
heavy = {{"kmeans", "container", "numba", "sagemaker", "boto3", "pyarrow", "onnx", "sklearn"}}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_only_the_estimator_imports_the_algorithm() -> None:
    others = re.compile(r"^\s*(from|import) (kmeans|container)\b", re.MULTILINE)
    files = (ROOT / "sagemaker_kmeans").rglob("*.py")
    importing = [file.relative_to(ROOT / "sagemaker_kmeans") for file in files if others.search(file.read_text())]
    assert {path.parts[0] for path in importing} <= {"memory_rows.py", "sklearn.py", "sklearn_settings.py"}


def test_an_unknown_attribute_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Kmeans'"):
        _ = sagemaker_kmeans.Kmeans


def test_the_description_is_at_hand(tmp_path: Path) -> None:
    description = json.loads((saved(tmp_path, CENTERS) / "kmeans.json").read_bytes())
    assert load(tmp_path).description == description


@given(data=st.data())
def test_changed_bytes_are_a_model_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(mxnet_ndarray.dumps(CENTERS))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)))):
        content[place] = value
    path = tmp_path_factory.mktemp("changed") / "model_algo-1"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(ModelError):
        load(path)


@pytest.mark.parametrize("contamination", [None, 0.1, 0.3, 0.5])
def test_anomalies_are_those_of_serve(tmp_path: Path, contamination: float | None) -> None:
    # Not where the tests of version 3 of the SDK import this module.
    from container.serving.outputs import answers

    rows = np.random.default_rng(0).normal(3.0, 4.0, (1000, 2)).astype(np.float32)
    model = load(saved(tmp_path, CENTERS, distances=DISTANCES))
    asked = ("is_anomaly", "normalized_distance")
    served = answers(predictor_of(tmp_path, 1 << 30), rows, asked, 1, contamination)
    np.testing.assert_array_equal(model.normalized_distances(rows), served["normalized_distance"])
    np.testing.assert_array_equal(model.is_anomaly(rows, contamination), served["is_anomaly"] == 1)
    found = model.outputs(rows, ("is_anomaly", "closest_cluster"), contamination)
    assert list(found) == ["is_anomaly", "closest_cluster"]
    np.testing.assert_array_equal(found["closest_cluster"], model.predict(rows))


def test_a_model_without_distances_knows_no_anomalies() -> None:
    model = LocalModel(CENTERS.copy(), {})
    for ask in (model.normalized_distances, model.is_anomaly):
        with pytest.raises(ModelError, match=r"expected a model with distances in kmeans\.json, got one without"):
            ask(CENTERS)
    with pytest.raises(ValueError, match=r"expected a contamination from 0\.01 to 0\.5, got 0\.9"):
        LocalModel(CENTERS.copy(), {"distances": DISTANCES}).is_anomaly(CENTERS, 0.9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radii": [1.0, 2.0]}, "expected radii to be 3 finite numbers"),
        ({"radii": [1.0, 2.0, 0.0]}, "expected radii of more than 0"),
        ({"radii": [1.0, 2.0, float("inf")]}, "expected radii to be 3 finite numbers"),
        ({"thresholds": [1.0]}, "expected thresholds to be 3 finite numbers"),
        ({"contaminations": [], "thresholds": []}, "a threshold for each of ascending contaminations"),
        ({"contaminations": [0.1, 0.1, 0.5]}, "a threshold for each of ascending contaminations"),
        ({"contamination": "1"}, "expected contamination to be 1 finite numbers"),
    ],
)
def test_odd_distances_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        LocalModel(CENTERS.copy(), {"distances": {**DISTANCES, **changes}})
    with pytest.raises(ModelError, match="expected distances to be an object, got list"):
        LocalModel(CENTERS.copy(), {"distances": []})
