import io
import struct
import zipfile
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.artifacts.state import State, StateError, dumps, loads

CENTERS = np.arange(6, dtype=np.float32).reshape(3, 2)
WEIGHTS = np.array([1.0, 0.0, 2.5])
DATA = dumps(State(CENTERS, WEIGHTS))


def archive(compress: bool = False, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(file, **arrays)
    return file.getvalue()


def refused(name: str, dtype: str, shape: str) -> str:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    return f'expected float32 or float64 rows in {name}, got "{header}"'


def message(data: bytes) -> str:
    with pytest.raises(StateError) as caught:
        loads(data)
    return str(caught.value)


@pytest.mark.parametrize(
    "centers",
    [CENTERS, CENTERS.astype(np.float64), np.asfortranarray(CENTERS)],
    ids=["float32", "float64", "column order"],
)
def test_what_is_written_is_read(centers: NDArray[Any]) -> None:
    found = loads(dumps(State(centers, WEIGHTS)))
    np.testing.assert_array_equal(found.centers, centers, strict=True)
    np.testing.assert_array_equal(found.weights, WEIGHTS, strict=True)


def test_numpy_reads_it_without_pickle() -> None:
    with np.load(io.BytesIO(DATA), allow_pickle=False) as arrays:
        assert sorted(arrays) == ["centers", "weights"]
        np.testing.assert_array_equal(arrays["centers"], CENTERS, strict=True)


def test_equal_states_give_equal_bytes() -> None:
    assert dumps(State(CENTERS.copy(), WEIGHTS.copy())) == DATA


@pytest.mark.parametrize(
    ("centers", "weights", "expected"),
    [
        (CENTERS, WEIGHTS.astype(np.float32), "expected float64 weights, got float32"),
        (CENTERS, WEIGHTS[:2], "expected a matrix of centers and a weight for each, got (3, 2) and (2,)"),
        (CENTERS[0], WEIGHTS[:2], "expected a matrix of centers and a weight for each, got (2,) and (2,)"),
        (CENTERS * np.nan, WEIGHTS, "expected finite centers and weights of 0 or more, got others"),
        (CENTERS, WEIGHTS + np.inf, "expected finite centers and weights of 0 or more, got others"),
        (CENTERS, -WEIGHTS, "expected finite centers and weights of 0 or more, got others"),
        (CENTERS[:0], WEIGHTS, "expected the numbers of shape (0, 2) in centers.npy, got 0 bytes"),
        (CENTERS.astype(int), WEIGHTS, refused("centers.npy", "<i8", "(3, 2)")),
        (np.array([[None]]), WEIGHTS, refused("centers.npy", "|O", "(1, 1)")),
        (CENTERS, np.zeros(3, "V0"), refused("weights.npy", "|V0", "(3,)")),
    ],
)
def test_arrays_that_are_no_state(centers: Any, weights: Any, expected: str) -> None:
    assert message(archive(centers=centers, weights=weights)) == expected


def test_compressed_archives_are_refused_before_they_are_unpacked() -> None:
    assert message(archive(compress=True, centers=np.zeros((1000, 1000)), weights=np.zeros(1000))) == (
        "expected centers.npy without compression and whole, got 8000128 bytes"
    )


def test_an_array_that_is_missing_is_told() -> None:
    assert "weights.npy" in message(archive(centers=CENTERS))


def stored(content: bytes) -> bytes:
    """Make an archive whose two members hold the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        members.writestr("centers.npy", content)
        members.writestr("weights.npy", content)
    return file.getvalue()


def npy(header: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode()


HUGE = (2**60, 2**60)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {HUGE}, }}\n"),
            f"expected the numbers of shape {HUGE} in centers.npy, got 0 bytes",
        ),
        (npy("{}\n", b"\x02\x00"), "expected float32 or float64 rows in centers.npy, got '{}'"),
        (npy("import os\n"), "expected float32 or float64 rows in centers.npy, got 'import os'"),
        (npy("(" * 9000), f"expected float32 or float64 rows in centers.npy, got '{'(' * 80}'"),
        (b"", "expected float32 or float64 rows in centers.npy, got ''"),
    ],
    ids=["a shape that lies", "version 2", "code", "deep", "empty"],
)
def test_faults_of_an_array(content: bytes, expected: str) -> None:
    assert message(stored(content)) == expected


@pytest.mark.parametrize("size", range(0, len(DATA), 7))
def test_every_truncation_is_told(size: int) -> None:
    assert message(DATA[:size]).startswith("expected ")


@settings(max_examples=500)
@given(st.binary(max_size=20), st.integers(0, len(DATA)), st.integers(0, 20))
def test_any_bytes_give_a_state_or_the_error(middle: bytes, start: int, dropped: int) -> None:
    with suppress(StateError):
        loads(DATA[:start] + middle + DATA[start + dropped :])
