"""Answers that hold what was asked for, in every content type."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from container.artifacts.distances import Distances
from container.formats.recordio import frames, records
from container.formats.recordio.record_pb2 import Record
from container.serving.outputs import OUTPUTS, answers, row_step
from container.serving.predictor import ModelPredictor
from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO
from tools.server_process import ServerProcess, serving

# Of the row (1, 2, 5): its distances to the centers (0, 0, 0), (1, 2, 2) and (-10, 0, 0).
NEAR, FAR = 3.0, [float(np.float32(np.sqrt(30.0))), 3.0, float(np.float32(np.sqrt(150.0)))]
ASKED = "top_distances, distances,closest_cluster,top_clusters"
EXPECTED = {
    "top_distances": [NEAR, FAR[0]],
    "distances": FAR,
    "closest_cluster": 1.0,
    "top_clusters": [1.0, 0.0],
}


@pytest.fixture(scope="module")
def selecting(base: Path) -> Iterator[ServerProcess]:
    with serving(base, SAGEMAKER_INFERENCE_OUTPUT=ASKED, SAGEMAKER_INFERENCE_TOP_N="2") as server:
        yield server


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_every_content_type_holds_what_was_asked_for_in_its_order(selecting: ServerProcess, rows: int) -> None:
    body = b"1,2,5\n" * rows
    objects = json.loads(selecting.invoke(body, CSV, JSON).body)["predictions"]
    assert objects == [EXPECTED] * rows
    assert list(objects[0]) == list(EXPECTED)
    lines = selecting.invoke(body, CSV, JSON_LINES).body.decode().splitlines()
    assert [json.loads(line) for line in lines] == [EXPECTED] * rows
    line = f'"[{NEAR}, {FAR[0]}]","[{FAR[0]}, {FAR[1]}, {FAR[2]}]",1.0,"[1.0, 0.0]"\n'
    assert selecting.invoke(body, CSV, CSV).body.decode() == line * rows
    records = [Record.FromString(frame) for frame in frames.split_frames(selecting.invoke(body, CSV, RECORDIO).body)]
    assert len(records) == rows
    for record in records:
        assert not record.features
        found = {name: list(record.label[name].float32_tensor.values) for name in record.label}
        assert found == {name: value if isinstance(value, list) else [value] for name, value in EXPECTED.items()}


def test_identities_are_echoed_next_to_them(selecting: ServerProcess) -> None:
    record = records.dense_record(np.array([1, 2, 5], np.float32))
    record.uid = "a"
    (answer,) = frames.split_frames(selecting.invoke(records.encode([record]), RECORDIO, RECORDIO).body)
    assert Record.FromString(answer).uid == "a"
    assert list(Record.FromString(answer).label["top_clusters"].float32_tensor.values) == [1.0, 0.0]


def test_a_cluster_too_far_away_to_answer_is_refused(selecting: ServerProcess) -> None:
    answer = selecting.invoke(b"1,2,5\n3.4e38,0,0\n3.4e38,3.4e38,0\n", CSV)
    assert answer.status == 400
    assert b"record 3: expected a row whose distance to the clusters" in answer.body


@pytest.mark.parametrize("features", [1, 2, 7, 300])
def test_all_distances_agree_with_the_closest(features: int) -> None:
    rng = np.random.default_rng(features)
    centers = rng.normal(size=(20, features)).astype(np.float32)
    # Two equal centers: the first one is the closest.
    centers[7] = centers[3]
    usual = Distances(rng.uniform(0.5, 2.0, 20), np.array([0.01, 0.5]), np.array([2.0, 0.5]), 0.01)
    predictor = ModelPredictor(centers, usual=usual)
    rows = np.concatenate([rng.normal(size=(500, features)).astype(np.float32), centers])
    found = answers(predictor, rows, tuple(OUTPUTS), 4)
    labels, distances = predictor.predict(rows)
    np.testing.assert_array_equal(found["closest_cluster"], labels)
    np.testing.assert_array_equal(found["distance_to_cluster"], distances)
    np.testing.assert_array_equal(found["distances"].min(axis=1), distances)
    np.testing.assert_array_equal(found["top_clusters"][:, 0], labels)
    assert found["top_clusters"].shape == found["top_distances"].shape == (len(rows), 4)
    assert (np.diff(found["top_distances"]) >= 0).all()
    closest = answers(predictor, rows, ("normalized_distance", "is_anomaly"), 4)
    for name, values in closest.items():
        np.testing.assert_array_equal(found[name], values)
    np.testing.assert_allclose(found["normalized_distance"], distances / usual.radii[labels], rtol=1e-6)
    np.testing.assert_array_equal(found["is_anomaly"], found["normalized_distance"] > 2.0)
    naive = np.linalg.norm(rows[:, np.newaxis].astype(np.float64) - centers, axis=2)
    np.testing.assert_allclose(found["distances"], naive, rtol=1e-6, atol=1e-7)
    one_by_one = [predictor.predict(row[np.newaxis]) for row in rows]
    assert [int(label[0]) for label, _ in one_by_one] == labels.tolist()
    assert [float(distance[0]) for _, distance in one_by_one] == distances.tolist()


def test_top_n_is_bound_by_k_and_a_block_by_memory() -> None:
    predictor = ModelPredictor(np.eye(3, dtype=np.float32))
    assert answers(predictor, np.ones((1, 3), np.float32), ("top_clusters",), 5)["top_clusters"].shape == (1, 3)
    many = ModelPredictor(np.ones((5000, 2), np.float32))
    assert row_step(many, ("distances",)) * 5000 <= 1 << 20
