"""The state of the stream as a NumPy archive, from which a model of any k up to K can be made.

The state of a model has no row of the training data; that in the output of a job has the sample.
"""

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from container.artifacts import archive
from container.precision.coordinates import ARRAYS as COORDINATES
from container.precision.coordinates import PLAIN, Coordinates, CoordinatesError
from kmeans.sample import Far, Sample
from kmeans.state import State
from kmeans.types import DoubleArray

# The arrays of the archive, with their types and numbers of dimensions.
_ARRAYS: Final = {
    "centers": ("<f8", 2),
    "weights": ("<f8", 1),
    "shift": ("<f4", 1),
}
# All of a group are there, or none.
_SAMPLE: Final = ("sample", "sample_labels", "sample_weights", "sample_is_complete")
# Only with a sample; not known of every stream, and not kept by earlier versions.
_FAR: Final = ("far", "far_labels", "far_weights", "sample_is_far")
_OPTIONAL: Final = {
    "spreads": ("<f8", 1),
    "sample": ("<f4", 2),
    "sample_labels": ("<i8", 1),
    "sample_weights": ("<f8", 1),
    "sample_is_complete": ("|b1", 1),
    "far": ("<f4", 2),
    "far_labels": ("<i8", 1),
    "far_weights": ("<f8", 1),
    "sample_is_far": ("|b1", 1),
    **COORDINATES,
}

# Far above any number of rows, and above what sample weights add up to; a square of float32 numbers times it is finite.
MAX_TOTAL_WEIGHT: Final = 1e100
# Far below the weights of a stream, whose latest row weighs 1, and below the heaviest row of its sample.
MIN_WEIGHT: Final = 1e-100
# A row of a sample that weighs less than this part of the heaviest one has decayed to nothing.
MIN_SHARE: Final = 1e-100
# The sum of squared distances of that many rows of float32 numbers is far below.
MAX_SPREAD: Final = 1e200


class StateError(ValueError):
    """The bytes are no state; the text says what was expected and what came."""


def dumps(state: State, coordinates: Coordinates = PLAIN) -> bytes:
    """Encode a state as an uncompressed ``.npz``, without sample if it is empty; equal states give equal bytes.

    Parameters
    ----------
    state : State
        What to encode.
    coordinates : Coordinates
        Those of its centers and rows, which are saved with them.

    Returns
    -------
    bytes
        The content of the file.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    file = io.BytesIO()
    sample, far = state.sample, state.sample.far
    rows = np.ascontiguousarray(sample.rows), sample.labels, sample.weights, np.array([sample.complete])
    archive.dump(
        file,
        {
            "centers": state.centers,
            "weights": state.weights,
            "shift": state.shift,
            **(dict(zip(_SAMPLE, rows, strict=True)) if len(sample.rows) else {}),
            **coordinates.arrays(),
            **({} if state.spreads is None else {"spreads": state.spreads}),
            **({} if far is None else dict(zip(_FAR, (far.rows, far.labels, far.weights, far.sampled), strict=True))),
        },
    )
    return file.getvalue()


def loads(data: bytes | bytearray) -> tuple[State, Coordinates]:
    """Decode a state, and the coordinates of its centers and rows.

    Parameters
    ----------
    data : bytes or bytearray
        The whole archive. Sizes in it are checked against the actual bytes before anything is allocated, and nothing
        in it is unpickled.

    Returns
    -------
    state : State
        Checked.
    coordinates : Coordinates
        Those that it was written with.

    Raises
    ------
    StateError
        If the bytes are not such an archive, or the arrays do not fit together.
    """
    try:
        arrays = archive.load(io.BytesIO(data), len(data), _ARRAYS, _OPTIONAL)
    except archive.ArchiveError as cause:
        raise StateError(str(cause)) from cause
    for group in (_SAMPLE, _FAR):
        given = [name for name in group if name in arrays]
        if given and len(given) < len(group):
            raise StateError(f"expected all of {', '.join(group)}, or none, got {', '.join(given)}")
    if _SAMPLE[0] not in arrays:
        no_rows = Sample.empty(arrays["centers"].shape[1])
        arrays |= dict(zip(_SAMPLE, (no_rows.rows, no_rows.labels, no_rows.weights, np.zeros(1, bool)), strict=True))
    _check(arrays)
    sample_weights = arrays["sample_weights"]
    sample_weights[sample_weights < MIN_SHARE * _heaviest_row(arrays)] = 0.0
    sample = Sample(
        arrays["sample"],
        arrays["sample_labels"],
        sample_weights,
        bool(arrays["sample_is_complete"][0]) and len(sample_weights) > 0,
        Far(*(arrays[name] for name in _FAR)) if _FAR[0] in arrays else None,
    )
    state = State(arrays["centers"], arrays["weights"], arrays["shift"], sample, arrays.get("spreads"))
    try:
        return state, Coordinates.of_arrays(arrays, arrays["centers"].shape[1])
    except CoordinatesError as cause:
        raise StateError(str(cause)) from cause


def beyond_float32(centers: DoubleArray) -> float | None:
    """Return a number that exceeds the range of float32 by more than a rounding, or None."""
    with np.errstate(over="ignore"):
        outside = ~np.isfinite(centers.astype(np.float32))
    return float(centers[outside][0]) if outside.any() else None


def _check(arrays: dict[str, NDArray[Any]]) -> None:
    """Check that the arrays fit together."""
    n_centers, n_features = arrays["centers"].shape
    n_rows = len(arrays["sample"])
    if not n_centers:
        raise StateError("expected a center at least, got none")
    expected = {
        "weights": (n_centers,),
        "shift": (n_features,),
        "sample": (n_rows, n_features),
        "sample_labels": (n_rows,),
        "sample_weights": (n_rows,),
        "sample_is_complete": (1,),
    }
    if "spreads" in arrays:
        expected["spreads"] = (n_centers,)
    if "far" in arrays:
        n_far = len(arrays["far"])
        expected |= {"far": (n_far, n_features), "far_labels": (n_far,), "far_weights": (n_far,)}
        expected["sample_is_far"] = (n_rows,)
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise StateError(f"expected {name} of shape {shape} for these centers, got {arrays[name].shape}")
    number = beyond_float32(arrays["centers"])
    if number is not None:
        raise StateError(f"expected centers in the range of float32, as rows are, got {number}")
    for name in ("weights", "sample_weights", *(("far_weights",) if "far" in arrays else ())):
        if (arrays[name] < 0).any():
            raise StateError(f"expected {name} of 0 or more, got {arrays[name].min()}")
        with np.errstate(over="ignore"):
            total = arrays[name].sum()
        if total > MAX_TOTAL_WEIGHT:
            raise StateError(f"expected {name} of {MAX_TOTAL_WEIGHT:g} at most in all, got {total}")
        if name == "weights" and 0.0 < total < MIN_WEIGHT:
            raise StateError(f"expected {name} of {MIN_WEIGHT:g} at least in all, got {total}")
    spreads = arrays.get("spreads", np.empty(0))
    outside = (spreads < 0) | (spreads > MAX_SPREAD)
    if outside.any():
        raise StateError(f"expected spreads from 0 to {MAX_SPREAD:g}, got {spreads[outside][0]}")
    # With the farthest rows counted in, a stream with decay has at least one row with a weight.
    if n_rows and _heaviest_row(arrays) < MIN_WEIGHT:
        raise StateError(f"expected a row that weighs {MIN_WEIGHT:g} at least, got {_heaviest_row(arrays)} at most")
    for name in ("sample_labels", *(("far_labels",) if "far" in arrays else ())):
        labels = arrays[name]
        outside = (labels < 0) | (labels >= n_centers)
        if outside.any():
            raise StateError(f"expected {name} from 0 to {n_centers - 1}, got {labels[outside][0]}")


def _heaviest_row(arrays: dict[str, NDArray[Any]]) -> float:
    """Return the largest weight of a row."""
    return float(max(arrays[name].max(initial=0.0) for name in ("sample_weights", "far_weights") if name in arrays))
