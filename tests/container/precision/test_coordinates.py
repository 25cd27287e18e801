"""Coordinates: from rows of the data and back, and how they are kept."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from container.formats.errors import ZeroRowError
from container.precision.coordinates import PLAIN, UNIT, Coordinates, CoordinatesError
from kmeans.kernels.packed import move_and_scale, scale_to_unit

Doubles = NDArray[np.float64]
LARGEST = float(np.finfo(np.float32).max)
SCALED = Coordinates(np.array([1.7e9, 0.25, -3.0]), np.array([3600.0, 1e-3, 1.0]))


@given(
    hnp.arrays(np.float64, (4, 3), elements=st.floats(-1e38, 1e38)),
    hnp.arrays(np.float64, 3, elements=st.floats(-(2.0**126), 2.0**126)),
)
def test_coordinates_go_there_and_back(points: Doubles, origin: Doubles) -> None:
    coordinates = Coordinates(origin)
    scale = np.abs(points).max() + np.abs(origin).max()
    np.testing.assert_allclose(coordinates.absolute(coordinates.relative(points)), points, rtol=0, atol=scale * 1e-15)


@given(hnp.arrays(np.float64, (4, 3), elements=st.floats(-1e6, 1e6)))
def test_scaled_coordinates_go_there_and_back(points: Doubles) -> None:
    np.testing.assert_allclose(SCALED.absolute(SCALED.relative(points)), points, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scales", [None, np.array([1e-300, 1e300])])
def test_no_number_leaves_the_range_of_float32(scales: Doubles | None) -> None:
    coordinates = Coordinates(np.array([LARGEST, -LARGEST]), scales)
    ends = np.array([[-LARGEST, LARGEST], [LARGEST, -LARGEST]])
    for numbers in coordinates.relative(ends), coordinates.absolute(ends), coordinates.rows(ends):
        assert np.isfinite(numbers.astype(np.float32)).all()


def test_plain_coordinates_change_no_bit() -> None:
    points = np.array([[-0.0, 1e-45, LARGEST, 1.7e9]])
    assert PLAIN.rows(points).tobytes() == points.astype(np.float32).tobytes()
    rows = points.astype(np.float32)
    assert PLAIN.centers(rows) is rows
    assert PLAIN.relative(rows) is rows


@pytest.mark.parametrize("coordinates", [SCALED, Coordinates(np.array([1.7e9, 0.0, 0.0]))])
def test_records_get_the_same_coordinates_where_they_are_read(coordinates: Coordinates) -> None:
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(50, 3)) * 10.0 ** rng.integers(-40, 38, (50, 3))).astype(np.float32)
    moved = rows.copy()
    assert coordinates.origin is not None
    move_and_scale(moved, coordinates.origin, coordinates.divisors)
    np.testing.assert_array_equal(moved, coordinates.rows(rows.astype(np.float64)))


def test_centers_are_in_float64_only_if_float32_would_move_them() -> None:
    near, far = Coordinates(np.array([1e3, 5.0]), np.array([1.0, 2.0])), Coordinates(np.array([1e3]), np.array([1e-4]))
    points = np.array([[0.3, -1.7], [1.1, 0.2]], np.float32)
    assert near.centers(points).dtype == np.float32
    np.testing.assert_allclose(near.centers(points), [[1000.3, 1.6], [1001.1, 5.4]], rtol=1e-6)
    assert far.centers(points[:, :1]).dtype == np.float64
    np.testing.assert_allclose(far.centers(points[:, :1]), [[1000.00003], [1000.00011]], rtol=1e-12)
    # A feature that is constant is exact, however large.
    assert Coordinates(np.array([2.0**40]), np.ones(1)).centers(np.zeros((3, 1), np.float32)).dtype == np.float32


FILLED = Coordinates(fills=np.array([1.0, 2.0, 3.0]))


def test_means_take_the_place_of_missing_numbers() -> None:
    rows = np.array([[np.nan, 0.0, np.nan], [4.0, np.nan, 5.0]])
    assert FILLED.rows(rows).tolist() == [[1, 0, 3], [4, 2, 5]]
    assert FILLED.relative(rows.astype(np.float32)).dtype == np.float32
    assert not FILLED.plain
    moved = Coordinates(np.ones(3), np.full(3, 2.0), FILLED.fills)
    assert moved.rows(rows).tolist() == [[0, -0.5, 1], [1.5, 0.5, 2]]
    assert moved.absolute(moved.rows(rows)).tolist() == [[1, 0, 3], [4, 2, 5]]


@pytest.mark.parametrize("coordinates", [FILLED, Coordinates(np.ones(3), np.full(3, 2.0), FILLED.fills)])
def test_a_description_holds_what_fills_gaps(coordinates: Coordinates) -> None:
    again = Coordinates.of_description(coordinates.description(), 3)
    assert again.description() == coordinates.description()
    assert coordinates.description()["missing_numbers"] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "coordinates",
    [PLAIN, FILLED, Coordinates(np.ones(3), fills=FILLED.fills), Coordinates(np.array([1.7e9, 0.0, 0.5])), SCALED],
)
def test_arrays_hold_all_of_them(coordinates: Coordinates) -> None:
    again = Coordinates.of_arrays(coordinates.arrays(), 3)
    assert (again.plain, again.scaled) == (coordinates.plain, coordinates.scaled)
    assert [value.tobytes() for value in again.arrays().values()] == [
        value.tobytes() for value in coordinates.arrays().values()
    ]


def test_a_description_holds_what_distances_are_measured_in() -> None:
    again = Coordinates.of_description(SCALED.description(), 3)
    assert again.description() == SCALED.description()
    assert Coordinates(np.ones(3)).description() == PLAIN.description() == {}
    assert Coordinates.of_description({}, 3) is PLAIN


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ([], "expected standardization to be an object, got list"),
        ({"means": [0, 0]}, "with scales as a list of numbers"),
        ({"means": [0, True], "scales": [1, 1]}, "with means as a list of numbers"),
        ({"means": [0, 0], "scales": [1, 10**400]}, "scales as finite numbers"),
        ({"means": [0, 0], "scales": [1, 0]}, "expected scales of more than 0, got 0"),
        ({"means": [0, 0], "scales": [1]}, r"expected scales of shape \(2,\), got \(1,\)"),
        ({"means": [], "scales": []}, r"expected means of shape \(2,\), got \(0,\)"),
    ],
)
def test_descriptions_that_are_odd(entry: Any, message: str) -> None:
    with pytest.raises(CoordinatesError, match=message):
        Coordinates.of_description({"standardization": entry}, 2)


@pytest.mark.parametrize("names", [("means",), ("scales",), ("origin", "means", "scales")])
def test_arrays_that_do_not_go_together(names: tuple[str, ...]) -> None:
    with pytest.raises(CoordinatesError, match="expected an origin, or means and scales, or is_unit, got"):
        Coordinates.of_arrays({name: np.ones(2) for name in names}, 2)


def test_rows_of_length_1_are_measured_by_their_angle() -> None:
    rows = UNIT.rows(np.array([[3e-30, 4e-30], [-5e30, 0.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(rows, np.array([[0.6, 0.8], [-1.0, 0.0], [0.0, 0.0]], np.float32))
    assert UNIT.distances(np.square(rows[:1] - rows[1:2]).sum(axis=1)).tolist() == pytest.approx([1.6])
    with pytest.raises(ZeroRowError, match="record 13: expected a number other than 0"):
        UNIT.check(rows, before=10)
    UNIT.check(rows[:2])
    PLAIN.check(rows)
    # Means of such rows are shorter, and stay so.
    means = np.array([[0.25, 0.25]])
    assert UNIT.relative(means) is means
    assert UNIT.absolute(means).tolist() == means.tolist()
    assert UNIT.centers(rows) is rows


def test_records_are_scaled_to_length_1_where_they_are_read() -> None:
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(50, 7)) * 10.0 ** rng.integers(-38, 38, (50, 1))).astype(np.float32)
    scaled = rows.copy()
    assert scale_to_unit(scaled)
    np.testing.assert_array_equal(scaled, UNIT.rows(rows.astype(np.float64)))


def test_coordinates_say_the_distance() -> None:
    assert (PLAIN.distance, SCALED.distance, UNIT.distance) == ("euclidean", "euclidean", "cosine")
    assert not UNIT.plain
    assert UNIT.description() == {"distance": "cosine"}
    assert Coordinates.of_description(UNIT.description(), 3).unit
    assert Coordinates.of_arrays(UNIT.arrays(), 3).unit
    assert Coordinates.of_description({"distance": "euclidean"}, 3) is PLAIN
    UNIT.check_centers(np.array([[0.6, 0.8]], np.float32))


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"distance": "manhattan"}, 'expected distance to be euclidean or cosine, got "manhattan"'),
        ({"distance": ["cosine"]}, r"expected distance to be euclidean or cosine, got \["),
        ({**SCALED.description(), **UNIT.description()}, "expected no standardization with distance cosine, got one"),
    ],
)
def test_distances_that_are_odd(description: dict[str, Any], message: str) -> None:
    with pytest.raises(CoordinatesError, match=message):
        Coordinates.of_description(description, 3)


def test_arrays_and_centers_that_do_not_fit_the_cosine_distance() -> None:
    with pytest.raises(CoordinatesError, match="expected is_unit to be a single true"):
        Coordinates.of_arrays({"is_unit": np.array([False])}, 3)
    with pytest.raises(CoordinatesError, match="expected an origin, or means and scales, or is_unit, got"):
        Coordinates.of_arrays({**SCALED.arrays(), **UNIT.arrays()}, 3)
    with pytest.raises(
        CoordinatesError, match=r"expected centers of length 1 with distance cosine, got 2\.0 for center 1"
    ):
        UNIT.check_centers(np.array([[1.0, 0.0], [0.0, 2.0]]))
