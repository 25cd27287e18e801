import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from container.artifacts import mxnet_ndarray, tarball
from container.artifacts.description import describe
from container.artifacts.model import ModelError, SavedModel, load, load_state, save, save_description
from kmeans import __version__
from kmeans.sample import Sample
from kmeans.state import State
from tests.container.disk import files_in, room_for

CENTERS = np.arange(6, dtype=np.float32).reshape(2, 3)
DESCRIPTION = describe(
    CENTERS, hyperparameters={"k": "2", "feature_dim": "3"}, seed=4, cluster_sizes=[5, 6], msd=1.5, events={"none": 0}
)
STATE = State(
    np.linspace(0, 1, 12).reshape(4, 3),
    np.array([1.0, 2.0, 3.0, 0.0]),
    np.zeros(3, np.float32),
    Sample(np.ones((2, 3), np.float32), np.array([0, 3]), np.ones(2), complete=False),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a complete model."""
    save(tmp_path / "model", "algo-1", SavedModel(CENTERS, DESCRIPTION), STATE)
    return tmp_path / "model"


def put(folder: Path, array: NDArray[Any], name: str = "model_algo-1") -> Path:
    folder.mkdir(exist_ok=True)
    mxnet_ndarray.write(folder / name, array)
    return folder


def message(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load(path)
    return str(caught.value)


def assert_ours(found: SavedModel) -> None:
    np.testing.assert_array_equal(found.centers, CENTERS, strict=True)
    assert found.description == DESCRIPTION


def assert_bare(found: SavedModel) -> None:
    np.testing.assert_array_equal(found.centers, CENTERS, strict=True)
    assert found.description is None


def test_the_files_of_a_model(tmp_path: Path) -> None:
    files = save(tmp_path / "new" / "model", "algo-2", SavedModel(CENTERS, DESCRIPTION), STATE)
    assert sorted(path.name for path in files) == ["kmeans.json", "model_algo-2", "state.npz"]
    assert sorted(files) == sorted((tmp_path / "new" / "model").iterdir())


def test_the_centers_alone_are_a_model(tmp_path: Path) -> None:
    assert save(tmp_path, "algo-1", SavedModel(CENTERS)) == (tmp_path / "model_algo-1",)
    assert_bare(load(tmp_path))


def test_the_description_says_what_the_model_is_and_how_it_was_made(folder: Path) -> None:
    found = json.loads((folder / "kmeans.json").read_text())
    versions = found.pop("versions")
    assert found == {
        "format_version": 1,
        "k": 2,
        "feature_dim": 3,
        "seed": 4,
        "msd": 1.5,
        "cluster_sizes": [5, 6],
        "hyperparameters": {"k": "2", "feature_dim": "3"},
        "events": {"none": 0},
    }
    assert versions["numpy"] == np.__version__
    assert versions["sagemaker-kmeans"] == __version__
    assert set(versions) == {"sagemaker-kmeans", "python", "numpy", "numba"}


def test_equal_models_are_equal_files(folder: Path, tmp_path: Path) -> None:
    again = save(tmp_path / "again", "algo-1", SavedModel(CENTERS.copy(), dict(DESCRIPTION)), STATE)
    for file in again:
        assert file.read_bytes() == (folder / file.name).read_bytes()


def test_no_json_that_others_cannot_read_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        save(tmp_path, "algo-1", SavedModel(CENTERS, DESCRIPTION | {"msd": float("nan")}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("centers", "state", "named"),
    [
        (np.full_like(CENTERS, np.inf), STATE, "centers"),
        (CENTERS, replace(STATE, centers=np.full((4, 3), np.nan)), "centers"),
        (CENTERS, replace(STATE, weights=np.full(4, -np.inf)), "weights"),
    ],
)
def test_no_number_that_is_not_finite_is_written(
    tmp_path: Path, centers: NDArray[np.float32], state: State, named: str
) -> None:
    with pytest.raises(ValueError, match=f"expected finite {named}"):
        save(tmp_path / "model", "algo-1", SavedModel(centers, DESCRIPTION), state)
    assert list(tmp_path.iterdir()) == []


EXACT = np.array([[1.7e9, 0.1, 3.0], [1.7e9 + 1, 0.2, 4.0]])


def exact_model(folder: Path, centers: object = None) -> Path:
    """Write a model with centers in float64; its description then gets others."""
    description = describe(EXACT, hyperparameters={}, seed=4, cluster_sizes=[5, 6], msd=1.5)
    save(folder, "algo-1", SavedModel(EXACT, description))
    if centers is not None:
        (folder / "kmeans.json").write_text(json.dumps({**description, "centers": centers}))
    return folder


def test_centers_that_float32_cannot_hold_apart_are_read_in_float64(tmp_path: Path) -> None:
    np.testing.assert_array_equal(load(exact_model(tmp_path)).centers, EXACT, strict=True)
    (written,) = mxnet_ndarray.loads((tmp_path / "model_algo-1").read_bytes())
    np.testing.assert_array_equal(written, EXACT.astype(np.float32), strict=True)


NO_MATRIX = "expected centers as a matrix of numbers of shape (2, 3), got something else"
OTHERS = "expected centers that are, in float32, those of the model's file, got others"


@pytest.mark.parametrize(
    ("centers", "expected"),
    [
        ([], NO_MATRIX),
        ({}, NO_MATRIX),
        (EXACT.tolist()[:1], NO_MATRIX),
        ([[1.7e9, 0.1], [1.7e9, 0.2]], NO_MATRIX),
        ([[1.7e9, 0.1, 3.0], 5], NO_MATRIX),
        ([[1.7e9, 0.1, 3.0], ["1.7e9", 0.2, 4.0]], NO_MATRIX),
        ([[1.7e9, 0.1, 3.0], [1.7e9, 0.2, True]], NO_MATRIX),
        ([[1.7e9, 0.1, 3.0], [1.8e9, 0.2, 4.0]], OTHERS),
        ([[1.7e9, 0.1, 3.0], [10**400, 0.2, 4.0]], OTHERS),
        ([[1.7e9, 0.1, 3.0], [1e300, 0.2, 4.0]], OTHERS),
    ],
)
def test_centers_of_the_description_that_are_not_those_of_the_model(
    tmp_path: Path, centers: object, expected: str
) -> None:
    assert message(exact_model(tmp_path, centers)) == f"{tmp_path}: kmeans.json: {expected}"


def test_a_folder_of_ours_is_read(folder: Path) -> None:
    assert_ours(load(folder))


def test_a_folder_of_the_built_in_is_read(tmp_path: Path) -> None:
    put(tmp_path, CENTERS)
    (tmp_path / "state_ac4243fa").write_bytes(b"an opaque state of 2019")
    assert_bare(load(tmp_path))


@pytest.mark.parametrize("name", ["model_algo-1", "centers"])
def test_a_bare_file_is_read_under_any_name(tmp_path: Path, name: str) -> None:
    assert_bare(load(put(tmp_path, CENTERS, name) / name))


def test_a_tarball_of_ours_is_read(folder: Path, tmp_path: Path) -> None:
    tarball.write(tmp_path / "model.tar.gz", folder.iterdir())
    assert_ours(load(tmp_path / "model.tar.gz"))


def test_a_tarball_made_by_tar_is_read_and_the_folder_it_lies_in_too(tmp_path: Path) -> None:
    put(tmp_path / "model", CENTERS)
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "model", arcname=".")
    assert_bare(load(tmp_path / "packed" / "model.tar.gz"))
    assert_bare(load(tmp_path / "packed"))


@pytest.mark.parametrize("dtype", ["<f8", "<f2", "<i4", "<i8", "u1", "i1"])
def test_centers_of_other_types_become_float32(tmp_path: Path, dtype: str) -> None:
    assert_bare(load(put(tmp_path, CENTERS.astype(dtype))))


def test_the_state_is_read_from_folder_and_tarball(folder: Path, tmp_path: Path) -> None:
    tarball.write(tmp_path / "model.tar.gz", folder.iterdir())
    for path in (folder, tmp_path / "model.tar.gz"):
        found, _ = load_state(path)
        np.testing.assert_array_equal(found.centers, STATE.centers, strict=True)
        np.testing.assert_array_equal(found.weights, STATE.weights, strict=True)


def test_a_model_of_the_built_in_has_no_state(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_state(put(tmp_path, CENTERS))
    assert str(caught.value) == f"{tmp_path}: expected a model with state.npz, got one without"


def test_a_broken_state_does_not_keep_the_model_from_serving(folder: Path) -> None:
    (folder / "state.npz").write_bytes(b"PK")
    assert_ours(load(folder))
    with pytest.raises(ModelError, match=r"model: state\.npz: expected an archive of centers, weights, .*, got one"):
        load_state(folder)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (CENTERS[0], "expected one matrix of centers, got shapes [(3,)]"),
        (CENTERS * np.nan, "expected finite float32 numbers, got NaN or infinity"),
        (CENTERS.astype(np.float64) * 1e300, "expected finite float32 numbers, got NaN or infinity"),
        (np.full((2, 3), 0x7FF0000000000001).view(np.float64), "expected finite float32 numbers, got NaN or infinity"),
    ],
    ids=["vector", "NaN", "too large", "signaling NaN"],
)
def test_centers_that_cannot_be_served(tmp_path: Path, array: NDArray[Any], expected: str) -> None:
    assert message(put(tmp_path, array)) == f"{tmp_path}: model_algo-1: {expected}"


def test_more_arrays_than_one(tmp_path: Path) -> None:
    data = mxnet_ndarray.dumps(CENTERS)
    (tmp_path / "model_algo-1").write_bytes(data[:16] + b"\x02" + data[17:-8] + data[24:])
    assert message(tmp_path).endswith("expected one matrix of centers, got shapes [(2, 3), (2, 3)]")


def test_torn_centers(folder: Path) -> None:
    data = (folder / "model_algo-1").read_bytes()
    (folder / "model_algo-1").write_bytes(data[:70])
    assert message(folder) == (
        f"{folder}: model_algo-1: byte 64: expected 24 bytes for the numbers of an array of shape (2, 3), "
        "got 6, the end of the file"
    )


def test_nothing_there(tmp_path: Path) -> None:
    assert message(tmp_path) == f"{tmp_path}: expected one file named model_<host>, got no file"
    assert message(tmp_path / "none") == f"{tmp_path / 'none'}: expected a model, got No such file or directory"


def test_two_models(folder: Path) -> None:
    put(folder, CENTERS, "model_algo-2")
    expected = "expected one file named model_<host>, got kmeans.json, model_algo-1, model_algo-2"
    assert message(folder) == f"{folder}: {expected}"


def test_a_tarball_without_a_model(folder: Path, tmp_path: Path) -> None:
    tarball.write(tmp_path / "model.tar.gz", [folder / "kmeans.json"])
    path = tmp_path / "model.tar.gz"
    assert message(path) == f"{path}: expected one file named model_<host>, got kmeans.json"


def test_a_model_deeper_in_a_tarball_is_none(tmp_path: Path) -> None:
    put(tmp_path / "model", CENTERS)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "model", arcname="folder")
        tar.add(tmp_path / "model", arcname="model_folder")
    assert message(tmp_path / "model.tar.gz").endswith("expected one file named model_<host>, got no file")


def test_a_torn_tarball(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    tarball.write(path, folder.iterdir())
    path.write_bytes(path.read_bytes()[:60])
    assert message(path).startswith(f"{path}: expected a gzip-compressed tarball, got one that cannot be read: ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "expected valid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ('{"msd": NaN}', "expected valid JSON: expected a finite number, got NaN"),
        ('{"msd": -Infinity}', "expected valid JSON: expected a finite number, got -Infinity"),
        ('{"msd": 1e999}', "expected valid JSON: expected a finite number, got 1e999"),
        ('{"k": 2, "k": 3}', "expected valid JSON: expected each name once, got 'k' twice"),
        ("[]", "expected an object, got list"),
        ("{}", "expected format version 1, got None"),
        ('{"format_version": 2}', "expected format version 1, got 2"),
        (
            '{"format_version": 1, "k": 3, "feature_dim": 3}',
            "expected k and feature_dim (2, 3) as the centers have, got (3, 3)",
        ),
        (
            '{"format_version": 1, "k": 2, "feature_dim": 3, "standardization": {"means": [0, 0], "scales": [1, 1]}}',
            "expected means of shape (3,), got (2,)",
        ),
        (
            '{"format_version": 1, "k": 2, "feature_dim": 3, "distance": "chebyshev"}',
            'expected distance to be euclidean or cosine, got "chebyshev"',
        ),
    ],
)
def test_faults_of_the_description(folder: Path, content: str, expected: str) -> None:
    (folder / "kmeans.json").write_text(content)
    assert message(folder) == f"{folder}: kmeans.json: {expected}"


def test_a_file_larger_than_half_of_the_memory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model_algo-1"
    path.touch()
    os.truncate(path, 1 << 42)
    assert message(path).startswith(f"{path}: expected at most ")
    assert message(path).endswith(" bytes, for which there is memory, got 4398046511104")


def test_a_description_is_replaced_whole_or_not_at_all(folder: Path) -> None:
    changed = {**DESCRIPTION, "msd": 1.25}
    with room_for(10), pytest.raises(OSError, match=r"kmeans\.json"):
        save_description(folder, changed)
    assert load(folder).description == DESCRIPTION
    with pytest.raises(ValueError, match="JSON"):
        save_description(folder, {**DESCRIPTION, "msd": float("nan")})
    assert load(folder).description == DESCRIPTION
    save_description(folder, changed)
    assert load(folder).description == changed
    assert files_in(folder) == ["kmeans.json", "model_algo-1", "state.npz"]
