"""Normalized distances and anomalies, in every content type, and models that know neither."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from container.artifacts.description import describe
from container.artifacts.model import SavedModel, save
from container.formats.recordio import frames, records
from container.formats.recordio.record_pb2 import Record
from container.serving.app import create_app, create_multi_model_app
from container.serving.model import ServedModel
from container.serving.registry import Registry
from container.serving.settings import ServingSettings
from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO
from tools.load import CENTERS

# The centers are (0, 0, 0), (1, 2, 2) and (-10, 0, 0).
ENTRY = {
    "contamination": 0.01,
    "radii": [1.0, 2.0, 4.0],
    "contaminations": [0.01, 0.1, 0.5],
    "thresholds": [2.0, 1.25, 0.5],
}
OUTPUTS = ("is_anomaly", "closest_cluster", "normalized_distance")
# Rows at a distance of 3 from the second center, and of 2 from the last one.
BODY = b"1,2,5\n-10,2,0\n"
EXPECTED = [(1.5, 1.0, 1.5), (0.5, 2.0, 0.5)]
Asked = tuple[FlaskClient, str]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("models")
    facts: dict[str, Any] = {"hyperparameters": {}, "seed": 0, "cluster_sizes": [1.0] * 3, "msd": 1.0}
    save(tree / "new", "algo-1", SavedModel(CENTERS, describe(CENTERS, **facts, distances=ENTRY)))
    save(tree / "old", "algo-1", SavedModel(CENTERS, describe(CENTERS, **facts)))
    save(tree / "built-in", "algo-1", SavedModel(CENTERS))
    return tree


def endpoints(tree: Path, folder: Path, name: str, settings: ServingSettings) -> list[Asked]:
    """Return clients of an endpoint of a model and of a multi-model endpoint, in a worker that has not loaded it."""
    alone = create_app(ServedModel(tree / name), settings).test_client()
    loading, other = (Registry(folder, tree, 1 << 30) for _ in range(2))
    loading.load("a", str(tree / name))
    return [(alone, "/invocations"), (create_multi_model_app(other, settings).test_client(), "/models/a/invoke")]


def expected_at(threshold: float) -> list[dict[str, float]]:
    return [
        {"is_anomaly": float(distance > threshold), "closest_cluster": cluster, "normalized_distance": distance}
        for distance, cluster, _ in EXPECTED
    ]


@pytest.mark.parametrize(("contamination", "threshold"), [(None, 2.0), (0.1, 1.25), (0.5, 0.5), (0.3, 0.875)])
@pytest.mark.parametrize("times", [1, 100])
def test_every_content_type_holds_them(
    tree: Path, tmp_path: Path, contamination: float | None, threshold: float, times: int
) -> None:
    settings = ServingSettings(outputs=OUTPUTS, contamination=contamination)
    expected = expected_at(threshold) * times
    for client, path in endpoints(tree, tmp_path, "new", settings):

        def ask(accept: str, client: FlaskClient = client, path: str = path) -> bytes:
            answer = client.post(path, data=BODY * times, content_type=CSV, headers={"Accept": accept})
            assert answer.status_code == 200, answer.data
            return bytes(answer.data)

        assert json.loads(ask(JSON))["predictions"] == expected
        assert [json.loads(line) for line in ask(JSON_LINES).splitlines()] == expected
        assert ask(CSV).decode() == "".join(f"{','.join(map(str, row.values()))}\n" for row in expected)
        found = [Record.FromString(frame).label for frame in frames.split_frames(ask(RECORDIO))]
        assert [{name: label[name].float32_tensor.values[0] for name in label} for label in found] == expected


def test_they_come_with_the_distances_to_all_clusters_too(tree: Path) -> None:
    settings = ServingSettings(outputs=("distances", "normalized_distance", "is_anomaly"), contamination=0.1)
    client = create_app(ServedModel(tree / "new"), settings).test_client()
    answer = client.post("/invocations", data=BODY, content_type=CSV, headers={"Accept": JSON})
    predictions = json.loads(answer.data)["predictions"]
    assert [(row["normalized_distance"], row["is_anomaly"]) for row in predictions] == [(1.5, 1.0), (0.5, 0.0)]


def test_identities_are_echoed(tree: Path) -> None:
    client = create_app(ServedModel(tree / "new"), ServingSettings(outputs=OUTPUTS)).test_client()
    record = records.dense_record(np.array([1, 2, 5], np.float32))
    record.uid = "a"
    headers = {"Accept": RECORDIO}
    answer = client.post("/invocations", data=records.encode([record]), content_type=RECORDIO, headers=headers)
    (frame,) = frames.split_frames(answer.data)
    assert Record.FromString(frame).uid == "a"
    assert Record.FromString(frame).label["normalized_distance"].float32_tensor.values == [1.5]


@pytest.mark.parametrize("name", ["old", "built-in"])
@pytest.mark.parametrize("output", ["normalized_distance", "is_anomaly"])
def test_a_model_without_distances_says_so(tree: Path, tmp_path: Path, name: str, output: str) -> None:
    expected = f"expected a model with distances in kmeans.json, for {output}, got one without, of the built-in or an "
    settings = ServingSettings(outputs=("closest_cluster", output))
    for client, path in endpoints(tree, tmp_path, name, settings):
        answer = client.post(path, data=BODY, content_type=CSV)
        assert answer.status_code == 503
        assert expected in answer.data.decode()
    # It is not ready, either, so that an endpoint fails when it is made.
    ping = create_app(ServedModel(tree / name), settings).test_client().get("/ping")
    assert (ping.status_code, expected in ping.data.decode()) == (503, True)


@pytest.mark.parametrize("name", ["new", "old", "built-in"])
def test_other_answers_are_what_they_were(tree: Path, tmp_path: Path, name: str) -> None:
    for client, path in endpoints(tree, tmp_path, name, ServingSettings()):
        answer = client.post(path, data=BODY, content_type=CSV, headers={"Accept": CSV})
        assert answer.data == b"1.0,3.0\n2.0,2.0\n"


def test_a_normalized_distance_beyond_float32_is_refused(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"hyperparameters": {}, "seed": 0, "cluster_sizes": [1.0] * 3, "msd": 1.0}
    tiny = {**ENTRY, "radii": [1e-30, 1e-30, 1e-30]}
    save(tmp_path, "algo-1", SavedModel(CENTERS, describe(CENTERS, **facts, distances=tiny)))
    settings = ServingSettings(outputs=("normalized_distance",))
    client = create_app(ServedModel(tmp_path), settings).test_client()
    answer = client.post("/invocations", data=b"1,2,5\n1e10,0,0\n", content_type=CSV)
    assert answer.status_code == 400
    assert b"record 2: expected a row whose normalized distance to the closest cluster is in the" in answer.data
