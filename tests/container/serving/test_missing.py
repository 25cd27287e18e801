"""Missing numbers in requests: what a model says of them is done, and without a word they are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from container.artifacts.description import describe
from container.artifacts.model import SavedModel, save
from container.precision.coordinates import Coordinates
from container.serving.app import create_app
from container.serving.model import ServedModel
from container.serving.settings import ServingSettings
from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO, dense, frame

CENTERS = np.array([[0, 0, 0], [1, 2, 5]], np.float32)
FILLS = np.array([1.0, 2.0, 5.0])
NAN = float("nan")
# The rows (1, 2, 5), (0, 0, 0) and (1, 2, 5) with and without gaps.
REQUESTS = {
    "csv": (CSV, b"1,,5\n0,0,0\nNA, ,nan\n"),
    "many lines of csv": (CSV, b"1,,5\n0,0,0\nNA,null,nan\n" * 100),
    "csv with a header": ("text/csv;header=present", b'a,b,c\n1,"",5\n0,0,0\n,,\n'),
    "json": (JSON, b'{"instances": [{"features": [1, null, 5]}, [0, 0, 0], {"features": [null, null, null]}]}'),
    "json, sparse": (
        JSON,
        b'{"instances": [[1, null, 5], [0, 0, 0],'
        b' {"features": {"keys": [0, 1, 2], "values": [null, 2, 5], "shape": [3]}}]}',
    ),
    "json of Python": (JSON, json.dumps({"instances": [[1, NAN, 5], [0, 0, 0], {"features": [NAN] * 3}]}).encode()),
    "json lines of Python": (JSON_LINES, b"[NaN, 2, 5]\n[0, 0, 0]\n[NaN, null, NaN]\n"),
    "json lines": (JSON_LINES, b"[1, null, 5]\n[0, 0, 0]\n[null, null, null]\n"),
    "recordio": (RECORDIO, frame(dense(1, NAN, 5)) + frame(dense(0, 0, 0)) + frame(dense(NAN, NAN, NAN))),
    "many records": (RECORDIO, (frame(dense(1, NAN, 5)) + frame(dense(0, 0, 0)) + frame(dense(NAN, NAN, NAN))) * 100),
}


def client_of(folder: Path, coordinates: Coordinates) -> Any:
    given = describe(CENTERS, hyperparameters={}, seed=0, cluster_sizes=[1, 1], msd=0.0, **coordinates.description())
    save(folder / "model", "algo-1", SavedModel(CENTERS, given))
    return create_app(ServedModel(folder / "model"), ServingSettings()).test_client()


@pytest.mark.parametrize("case", REQUESTS)
@pytest.mark.parametrize("scales", [None, np.array([1.0, 2.0, 4.0])])
def test_the_means_of_the_model_take_their_place(tmp_path: Path, case: str, scales: Any) -> None:
    origin = None if scales is None else np.zeros(3)
    client = client_of(tmp_path, Coordinates(origin, scales, FILLS))
    content_type, body = REQUESTS[case]
    answer = client.post("/invocations", data=body, headers={"Content-Type": content_type, "Accept": JSON})
    assert answer.status_code == 200, answer.data
    found = json.loads(answer.data)["predictions"]
    expected = [{"closest_cluster": label, "distance_to_cluster": 0.0} for label in (1.0, 0.0, 1.0)]
    assert found == expected * (len(found) // 3)
    assert len(found) in (3, 300)


@pytest.mark.parametrize("case", REQUESTS)
def test_without_means_they_are_refused(tmp_path: Path, case: str) -> None:
    content_type, body = REQUESTS[case]
    answer = client_of(tmp_path, Coordinates()).post("/invocations", data=body, headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert b"expected a number" in answer.data


@pytest.mark.parametrize("body", [b"[null, 2, 5]", b"[NaN, 2, 5]"])
def test_one_row_that_begins_with_a_gap(tmp_path: Path, body: bytes) -> None:
    client = client_of(tmp_path, Coordinates(fills=FILLS))
    answer = client.post("/invocations", data=body, headers={"Content-Type": JSON})
    assert json.loads(answer.data)["predictions"] == [{"closest_cluster": 1.0, "distance_to_cluster": 0.0}]


@pytest.mark.parametrize("fills", ["x", [1.0, 2.0], [1.0, 2.0, "3"], [1, 2, 10**400]])
def test_a_model_with_other_means_is_refused(tmp_path: Path, fills: object) -> None:
    given = describe(CENTERS, hyperparameters={}, seed=0, cluster_sizes=[1, 1], msd=0.0, missing_numbers=fills)
    save(tmp_path / "model", "algo-1", SavedModel(CENTERS, given))
    client = create_app(ServedModel(tmp_path / "model"), ServingSettings()).test_client()
    answer = client.get("/ping")
    assert answer.status_code == 503
    assert b"missing_numbers" in answer.data
