"""What a model says of the distances of its training rows, as JSON, and what is made of it."""

import json
from typing import Any

import numpy as np
import pytest

from container.artifacts.distances import ENTRY, Distances, DistancesError, described
from container.precision.coordinates import PLAIN, UNIT, Coordinates
from kmeans.assignment.scoring import Score
from kmeans.distribution import CONTAMINATIONS, DistanceDistribution, WeightedDistances

VALID = {"contamination": 0.01, "radii": [1.0, 2.0], "contaminations": [0.01, 0.1, 0.5], "thresholds": [3.0, 2.0, 2.0]}


def distribution() -> DistanceDistribution:
    """Return that of three clusters: squared distances 1 to 1000, a single row, none."""
    squared = np.append(np.arange(1.0, 1001.0), 0.0)
    labels = np.append(np.zeros(1000, np.int64), 1)
    score = Score(1001, squared.sum(), np.array([1000.0, 1.0, 0.0]), np.array([squared.sum(), 0.0, 0.0]))
    return DistanceDistribution.of(
        WeightedDistances(labels, squared, np.ones(1001)), score, relative_error=0.25, exact=True
    )


@pytest.mark.parametrize("coordinates", [PLAIN, UNIT])
def test_quantiles_are_in_the_units_of_distances(coordinates: Coordinates) -> None:
    entry = json.loads(json.dumps(described(distribution(), coordinates, 0.05), allow_nan=False))[ENTRY]
    measure: Any = (lambda squared: squared / 2) if coordinates.unit else np.sqrt
    squared = {"50": 500, "90": 900, "95": 950, "99": 990, "99.9": 999}
    assert entry["quantiles"] == {name: [measure(number), 0.0, None] for name, number in squared.items()}
    overall = 500500.0 / 1001
    assert entry["radii"] == [measure(500.5), measure(overall), measure(overall)]
    assert entry["relative_error"] == (0.25 if coordinates.unit else pytest.approx(1 - np.sqrt(0.75)))
    assert (entry["of_all_rows"], entry["contamination"]) == (True, 0.05)
    found = Distances.of_description({ENTRY: entry}, 3)
    assert found is not None
    # Of the 1001 rows, a tenth is beyond the row of the 901st distance.
    labels, distances = np.zeros(1001, np.int64), measure(np.append(np.arange(1.0, 1001.0), 0.0)).astype(np.float32)
    normalized = found.normalized(labels, distances)
    np.testing.assert_allclose(normalized, distances / measure(500.5), rtol=1e-6)
    for contamination in (0.1, 0.05, 0.01, 0.001):
        flagged = np.flatnonzero(found.are_anomalies(normalized, contamination))
        assert flagged.tolist() == list(range(1000 - int(contamination * 1001), 1000))
    assert found.are_anomalies(normalized).sum() == 50


def test_between_two_contaminations_thresholds_are_interpolated() -> None:
    found = Distances.of_description({ENTRY: VALID}, 2)
    assert found is not None
    numbers = np.array([2.4, 2.6], np.float32)
    assert found.are_anomalies(numbers, 0.055).tolist() == [0, 1]


def test_a_model_may_have_none() -> None:
    assert described(None, PLAIN, 0.01) == {}
    assert Distances.of_description({}, 2) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radii": [1.0]}, "expected 2 radii of more than 0"),
        ({"radii": [1.0, 0.0]}, "expected 2 radii of more than 0"),
        ({"radii": [1.0, "2"]}, "expected distances with radii as a list of numbers"),
        ({"radii": [1.0, 10**400]}, "expected distances with radii as finite numbers"),
        ({"radii": None}, "expected distances with radii as a list of numbers"),
        ({"thresholds": [3.0, 2.0]}, "expected ascending contaminations, each with a descending threshold"),
        ({"thresholds": [1.0, 2.0, 3.0]}, "expected ascending contaminations, each with a descending threshold"),
        ({"contaminations": [], "thresholds": []}, "expected ascending contaminations"),
        ({"contaminations": [0.1, 0.01, 0.5]}, "expected ascending contaminations"),
        ({"contamination": 0.9}, "expected a contamination from 1e-05 to 0.5, got 0.9"),
        ({"contamination": None}, "expected a contamination from 1e-05 to 0.5, got null"),
    ],
)
def test_odd_ones_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DistancesError, match=message):
        Distances.of_description({ENTRY: {**VALID, **changes}}, 2)


def test_an_entry_is_an_object() -> None:
    with pytest.raises(DistancesError, match="expected distances to be an object, got list"):
        Distances.of_description({ENTRY: []}, 2)
    assert CONTAMINATIONS[0] == 0.00001
