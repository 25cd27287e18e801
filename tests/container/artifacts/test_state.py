import io
import struct
import zipfile
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container.artifacts.state import StateError, dumps, loads
from container.precision.coordinates import Coordinates
from kmeans.sample import Far, Sample
from kmeans.state import State

STATE = State(
    np.arange(6, dtype=np.float64).reshape(3, 2),
    np.array([1.0, 0.0, 2.5]),
    np.array([0.5, -4.0], np.float32),
    Sample(
        np.arange(8, dtype=np.float32).reshape(4, 2),
        np.array([0, 2, 2, 0]),
        np.array([0.5, 1.0, 1.0, 0.25]),
        complete=True,
    ),
)
DATA = dumps(STATE)
ARRAYS = dict(np.load(io.BytesIO(DATA), allow_pickle=False))

FAR = {
    "far": np.ones((1, 2), np.float32),
    "far_labels": np.array([2]),
    "far_weights": np.array([0.5]),
    "sample_is_far": np.zeros(4, bool),
}


def archive(compress: bool = False, **changes: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(file, **{**ARRAYS, **changes})
    return file.getvalue()


def message(data: bytes) -> str:
    with pytest.raises(StateError) as caught:
        loads(data)
    return str(caught.value)


def test_what_is_written_is_read() -> None:
    found, _ = loads(DATA)
    np.testing.assert_array_equal(found.centers, STATE.centers, strict=True)
    np.testing.assert_array_equal(found.weights, STATE.weights, strict=True)
    np.testing.assert_array_equal(found.shift, STATE.shift, strict=True)
    np.testing.assert_array_equal(found.sample.rows, STATE.sample.rows, strict=True)
    np.testing.assert_array_equal(found.sample.labels, STATE.sample.labels, strict=True)
    np.testing.assert_array_equal(found.sample.weights, STATE.sample.weights, strict=True)
    assert found.sample.complete


def test_an_origin_is_kept_next_to_them() -> None:
    origin = np.array([1.7e9, 0.0], np.float32)
    data = dumps(STATE, Coordinates(origin.astype(np.float64)))
    assert np.load(io.BytesIO(data))["origin"].dtype == np.float32
    np.testing.assert_array_equal(loads(data)[1].origin, origin)
    np.testing.assert_array_equal(loads(data)[0].centers, STATE.centers, strict=True)


def test_scales_are_kept_beside_them() -> None:
    coordinates = Coordinates(np.array([1.7e9 + 0.1, 0.0]), np.array([3.5, 1.0]))
    assert loads(dumps(STATE, coordinates))[1].description() == coordinates.description()
    assert message(archive(scales=np.ones(2))) == "expected an origin, or means and scales, or is_unit, got scales"
    assert message(archive(means=np.ones(2), scales=np.zeros(2))) == "expected scales of more than 0, got 0.0"


def test_without_one_nothing_is_written() -> None:
    assert "origin" not in ARRAYS
    assert loads(DATA)[1].plain


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (np.zeros(3, np.float32), "expected origin of shape (2,), got (3,)"),
        (np.full(2, np.nan, np.float32), "expected finite origin, got NaN or infinity"),
        (np.zeros(2), "expected origin of 1 dimensions and the type <f4, got "),
    ],
)
def test_an_origin_that_does_not_fit(origin: Any, expected: str) -> None:
    assert message(archive(origin=origin)).startswith(expected)


def test_what_is_known_of_some_streams_alone_is_read_too() -> None:
    far = Far(np.ones((1, 2), np.float32), np.array([2]), np.array([0.5]), np.array([False, True, False, False]))
    state = replace(STATE, spreads=np.array([2.0, 0.0, 0.5]), sample=replace(STATE.sample, complete=False, far=far))
    found, _ = loads(dumps(state))
    np.testing.assert_array_equal(found.spreads, state.spreads, strict=True)
    assert found.sample.far is not None
    for name in ("rows", "labels", "weights", "sampled"):
        np.testing.assert_array_equal(getattr(found.sample.far, name), getattr(far, name), strict=True)
    assert dumps(found) == dumps(state)


def test_a_state_may_have_no_sample() -> None:
    state = replace(STATE, sample=Sample.empty(2))
    data = dumps(state)
    assert set(np.load(io.BytesIO(data), allow_pickle=False)) == {"centers", "weights", "shift"}
    found, _ = loads(data)
    np.testing.assert_array_equal(found.centers, STATE.centers, strict=True)
    assert (found.sample.rows.shape, found.sample.far, found.sample.complete) == ((0, 2), None, False)
    assert dumps(found) == data


@pytest.mark.parametrize("name", ["sample", "sample_labels", "sample_weights", "sample_is_complete"])
def test_a_sample_is_whole(name: str) -> None:
    file = io.BytesIO()
    np.savez(file, **{key: array for key, array in ARRAYS.items() if key != name})
    expected = "expected all of sample, sample_labels, sample_weights, sample_is_complete, or none, got "
    assert message(file.getvalue()).startswith(expected)


def test_numpy_reads_the_centers_in_the_units_of_the_rows() -> None:
    np.testing.assert_array_equal(ARRAYS["centers"], STATE.centers)


def test_equal_states_give_equal_bytes() -> None:
    assert dumps(*loads(DATA)) == DATA


def no_array(name: str, dimensions: int, dtype: str, header: str) -> str:
    return f"expected {name} of {dimensions} dimensions and the type {dtype}, got {header!r}"


def header(dtype: str, shape: str) -> str:
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"weights": np.ones(3, np.float32)}, no_array("weights", 1, "<f8", header("<f4", "(3,)"))),
        ({"weights": np.ones(2)}, "expected weights of shape (3,) for these centers, got (2,)"),
        ({"shift": np.ones(1, np.float32)}, "expected shift of shape (2,) for these centers, got (1,)"),
        ({"centers": np.ones(3)}, no_array("centers", 2, "<f8", header("<f8", "(3,)"))),
        ({"centers": np.full((3, 2), np.nan)}, "expected finite centers, got NaN or infinity"),
        ({"weights": np.full(3, np.inf)}, "expected finite weights, got NaN or infinity"),
        ({"weights": np.array([1.0, -2.0, 1.0])}, "expected weights of 0 or more, got -2.0"),
        ({"centers": np.full((3, 2), 1e308)}, "expected centers in the range of float32, as rows are, got 1e+308"),
        (
            {"centers": np.full((3, 2), -1.7e308)},
            "expected centers in the range of float32, as rows are, got -1.7e+308",
        ),
        ({"spreads": np.ones(2)}, "expected spreads of shape (3,) for these centers, got (2,)"),
        ({"spreads": np.full(3, 1e201)}, "expected spreads from 0 to 1e+200, got 1e+201"),
        ({"spreads": -np.ones(3)}, "expected spreads from 0 to 1e+200, got -1.0"),
        ({"far": FAR["far"]}, "expected all of far, far_labels, far_weights, sample_is_far, or none, got far"),
        ({**FAR, "far_labels": np.array([3])}, "expected far_labels from 0 to 2, got 3"),
        ({**FAR, "far_weights": np.array([-9.0])}, "expected far_weights of 0 or more, got -9.0"),
        (
            {**FAR, "sample_is_far": np.ones(3, bool)},
            "expected sample_is_far of shape (4,) for these centers, got (3,)",
        ),
        ({"weights": np.full(3, 1e308)}, "expected weights of 1e+100 at most in all, got inf"),
        ({"sample_weights": np.full(4, 1e100)}, "expected sample_weights of 1e+100 at most in all, got 4e+100"),
        ({"sample": np.full((4, 2), np.inf, np.float32)}, "expected finite sample, got NaN or infinity"),
        ({"weights": np.full(3, 1e-300)}, "expected weights of 1e-100 at least in all, got 3e-300"),
        ({"sample_weights": np.zeros(4)}, "expected a row that weighs 1e-100 at least, got 0.0 at most"),
        ({"sample_weights": np.full(4, 1e-300)}, "expected a row that weighs 1e-100 at least, got 1e-300 at most"),
        ({"sample_weights": np.full(4, -1.0)}, "expected sample_weights of 0 or more, got -1.0"),
        ({"sample_labels": np.array([0, 3, 0, 0])}, "expected sample_labels from 0 to 2, got 3"),
        ({"sample_labels": np.array([0, -1, 0, 0])}, "expected sample_labels from 0 to 2, got -1"),
        ({"sample_is_complete": np.ones(2, bool)}, "expected sample_is_complete of shape (1,) for these"),
        ({"centers": np.ones((0, 2)), "weights": np.ones(0)}, "expected a center at least, got none"),
        ({"centers": np.array([[None]])}, no_array("centers", 2, "<f8", header("|O", "(1, 1)"))),
        ({"weights": np.zeros(3, "V0")}, no_array("weights", 1, "<f8", header("|V0", "(3,)"))),
    ],
)
def test_arrays_that_are_no_state(changes: dict[str, Any], expected: str) -> None:
    assert message(archive(**changes)).startswith(expected)


def test_centers_at_the_end_of_the_range_of_rows_are_read() -> None:
    largest = np.float64(np.finfo(np.float32).max)
    # Means of such rows may be off by a rounding.
    centers = np.full((3, 2), np.nextafter(largest, np.inf))
    assert np.isfinite(loads(archive(centers=centers))[0].centers).all()


def test_rows_that_have_decayed_to_nothing_weigh_nothing() -> None:
    """Beside others, and where the farthest rows have all the weight."""
    weights = np.array([1e-300, 1.0, 0.0, 1e-90])
    assert loads(archive(sample_weights=weights))[0].sample.weights.tolist() == [0.0, 1.0, 0.0, 1e-90]
    far: dict[str, Any] = {**FAR, "far_weights": np.array([1.0]), "sample_weights": weights * 1e-110}
    state, _ = loads(archive(**far))
    assert not state.sample.weights.any()
    state, _ = loads(archive(**{**far, "far_weights": np.array([1e-300]), "sample_weights": weights}))
    assert state.sample.weights.tolist() == [0.0, 1.0, 0.0, 1e-90]


def test_what_is_not_finite_is_not_written() -> None:
    with pytest.raises(ValueError, match="expected finite weights, got NaN or infinity"):
        dumps(replace(STATE, weights=np.array([1.0, np.nan, 1.0])))


def test_compressed_archives_are_refused_before_they_are_unpacked() -> None:
    assert message(archive(compress=True, centers=np.zeros((1000, 1000)))) == (
        "expected centers without compression and whole, got 8000128 bytes"
    )


def test_a_missing_array_is_named() -> None:
    file = io.BytesIO()
    np.savez(file, centers=ARRAYS["centers"])
    assert "weights.npy" in message(file.getvalue())


def stored(content: bytes) -> bytes:
    """Make an archive whose first member holds these bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        members.writestr("centers.npy", content)
    return file.getvalue()


def npy(text: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode()


HUGE = (2**60, 2**60)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (npy(header("<f8", str(HUGE)) + "\n"), f"expected the numbers of shape {HUGE} in centers, got 0 bytes"),
        (npy(header("<f8", f"(0, {2**63})") + "\n"), "expected an archive of"),
        (npy("{}\n", b"\x02\x00"), no_array("centers", 2, "<f8", "{}")),
        (npy("import os\n"), no_array("centers", 2, "<f8", "import os")),
        (npy("(" * 9000), no_array("centers", 2, "<f8", "(" * 80)),
        (b"", no_array("centers", 2, "<f8", "")),
    ],
    ids=["a shape that lies", "a shape beyond integers", "version 2", "code", "deep", "empty"],
)
def test_faults_of_an_array(content: bytes, expected: str) -> None:
    assert message(stored(content)).startswith(expected)


@pytest.mark.parametrize("size", range(0, len(DATA), 17))
def test_every_truncation_is_reported(size: int) -> None:
    assert message(DATA[:size]).startswith("expected ")


@settings(max_examples=500)
@given(st.binary(max_size=20), st.integers(0, len(DATA)), st.integers(0, 20))
def test_any_bytes_give_a_state_or_the_error(middle: bytes, start: int, dropped: int) -> None:
    with suppress(StateError):
        loads(DATA[:start] + middle + DATA[start + dropped :])
