"""Models as ONNX graphs, run by onnxruntime."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sagemaker_kmeans import LocalModel
from sagemaker_kmeans.__main__ import main
from tests.requirement import missing
from tests.sagemaker_kmeans.sdk.conftest import sdk_version
from tests.sagemaker_kmeans.test_local_model import CENTERS, FINE_CENTERS, saved


@pytest.fixture(autouse=True)
def _runtime() -> None:
    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        if sdk_version().startswith("3"):
            pytest.skip("onnx is in the environment of version 2 of the SDK")
        missing("onnx and onnxruntime are not installed; `make test-sdk` installs them")


def answers(path: Path, rows: NDArray[Any]) -> list[NDArray[Any]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: list[NDArray[Any]] = session.run(["closest_cluster", "distance_to_cluster"], {"rows": rows})
    return found


def check_answers(model: LocalModel, path: Path, rows: NDArray[Any]) -> None:
    """Check that the graph of a model answers as the model does."""
    model.to_onnx(path)
    labels, distances = model.predict_with_distances(rows)
    found_labels, found_distances = answers(path, rows)
    np.testing.assert_array_equal(found_labels, labels)
    np.testing.assert_allclose(found_distances, distances, rtol=1e-6)


@pytest.mark.parametrize("centers", [CENTERS, FINE_CENTERS, np.random.default_rng(0).random((50, 20), np.float32)])
def test_the_graph_answers_as_the_model_does(tmp_path: Path, centers: NDArray[Any]) -> None:
    rng = np.random.default_rng(1)
    rows = (centers[rng.integers(0, len(centers), 1000)] + rng.normal(size=(1000, centers.shape[1]))).astype(
        centers.dtype
    )
    model = LocalModel(centers.copy(), {})
    check_answers(model, tmp_path / "model.onnx", rows)


def test_a_graph_measures_in_standard_deviations_where_the_model_does(tmp_path: Path) -> None:
    rows = np.random.default_rng(2).normal(size=(500, 2)).astype(np.float32) * np.array([3.0, 1e4], np.float32)
    scales = {"means": [1.0, -2e3], "scales": [3.0, 1e4]}
    model = LocalModel(CENTERS.copy(), {"standardization": scales})
    check_answers(model, tmp_path / "model.onnx", rows)


def test_a_graph_compares_directions_where_the_model_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    centers = rng.normal(size=(20, 5))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    rows = (rng.normal(size=(500, 5)) * 10.0 ** rng.integers(-38, 37, (500, 1))).astype(np.float32)
    model = LocalModel(centers.astype(np.float32), {"distance": "cosine"})
    model.to_onnx(tmp_path / "model.onnx")
    labels, distances = model.predict_with_distances(rows)
    found_labels, found_distances = answers(tmp_path / "model.onnx", rows)
    np.testing.assert_array_equal(found_labels, labels)
    np.testing.assert_allclose(found_distances, distances, rtol=1e-6)


@pytest.mark.parametrize("centers", [CENTERS, FINE_CENTERS])
@pytest.mark.parametrize("standardized", [False, True])
def test_a_graph_fills_gaps_where_the_model_does(tmp_path: Path, centers: NDArray[Any], standardized: bool) -> None:
    rng = np.random.default_rng(3)
    rows = centers[rng.integers(0, len(centers), 200)] + rng.normal(size=(200, 2)).astype(centers.dtype)
    rows[rng.random(rows.shape) < 0.3] = np.nan
    facts: dict[str, Any] = {"missing_numbers": rng.normal(size=2).tolist()}
    if standardized:
        facts["standardization"] = {"means": [1.0, -2.0], "scales": [3.0, 0.5]}
    model = LocalModel(centers.copy(), facts)
    model.to_onnx(tmp_path / "model.onnx")
    labels, distances = model.predict_with_distances(rows)
    found_labels, found_distances = answers(tmp_path / "model.onnx", rows)
    np.testing.assert_array_equal(found_labels, labels)
    np.testing.assert_allclose(found_distances, distances, rtol=1e-6)


def test_the_command_writes_it(tmp_path: Path) -> None:
    assert main(["to-onnx", str(saved(tmp_path / "model", CENTERS)), str(tmp_path / "model.onnx")]) == 0
    found, _ = answers(tmp_path / "model.onnx", CENTERS)
    assert found.tolist() == [0, 1, 2]
