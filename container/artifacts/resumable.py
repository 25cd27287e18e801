"""What a snapshot from a file must hold, so that a run of a job can resume from it.

A right checksum says that a file is as it was written, not that this job wrote it. Everything that a run uses later is
checked here first: names, types and ranges of the facts, and how the arrays match them, each other and the job.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np

from container.artifacts.snapshot_layout import Arrays
from container.artifacts.state import MAX_TOTAL_WEIGHT, beyond_float32
from container.formats.errors import shown
from kmeans.settings import TrainingSettings
from kmeans.stream.farthest import max_rows

# Counts of rows are exact in float64 too, and leave room for further ones in int64.
MAX_COUNT: Final = 1 << 53
# The sum of squared distances of that many rows of float32 numbers is far below.
MAX_AMOUNT: Final = 1e200


class SnapshotError(ValueError):
    """No run of the job can resume from it; the text says what was expected, what was found and where."""


@dataclass(frozen=True)
class Kind:
    """A kind of JSON values.

    Attributes
    ----------
    words : str
        What is expected.
    holds : callable
        Returns whether a value is of this kind.
    optional : bool
        Whether it may be missing: it does not apply, or the checkpoint is of an earlier release.
    """

    words: str
    holds: Callable[[Any], bool]
    optional: bool = False


Schema: TypeAlias = "Kind | Mapping[str, Schema] | tuple[Schema, ...]"


def _whole(low: int, high: int) -> Kind:
    # True and False are integers to Python.
    return Kind(f"a whole number from {low} to {high}", lambda value: type(value) is int and low <= value <= high)


def _number(low: float, high: float) -> Kind:
    return Kind(
        f"a number from {low:g} to {high:g}", lambda value: type(value) in (int, float) and low <= value <= high
    )


_COUNT = _whole(0, MAX_COUNT)
_FLAG = Kind("true or false", lambda value: type(value) is bool)
# A number of rows, or a sum of weights.
_WEIGHT = _number(0, MAX_TOTAL_WEIGHT)
# Only where it is another number than that of the rows.
_WEIGHT_SEEN = replace(_WEIGHT, optional=True)
_COUNTS = Kind(
    f"an object of whole numbers from 0 to {MAX_COUNT}",
    lambda value: isinstance(value, dict) and all(map(_COUNT.holds, value.values())),
)
_THRESHOLD = Kind(
    "a finite number or null", lambda value: value is None or _number(-MAX_AMOUNT, MAX_AMOUNT).holds(value)
)

_LOSS = Kind(
    f"a number from 0 to {MAX_AMOUNT:g} or null", lambda value: value is None or _number(0, MAX_AMOUNT).holds(value)
)

STEP: Final = _whole(1, MAX_COUNT)
FACTS: Final[Schema] = {
    "step": STEP,
    "epoch": _COUNT,
    "within_epoch": _FLAG,
    "reassigned": _COUNT,
    "rows_added": _COUNT,
    "rows_seen": _COUNT,
    "weight_seen": _WEIGHT_SEEN,
    # The largest number where no row is one.
    "outlier_distance": _number(0, sys.float_info.max),
    "epoch_losses": {"rows": _WEIGHT, "inertia": _number(0, MAX_AMOUNT), "latest": _LOSS, "before": _LOSS},
    "reservoir": {
        "rows_seen": _COUNT,
        "weight_seen": _WEIGHT_SEEN,
        "first_number": _COUNT,
        "latest_position": _WEIGHT,
        "threshold": _THRESHOLD,
        "farthest": {"threshold": _THRESHOLD},
        "key": _whole(0, (1 << 64) - 1),
    },
    "observer": {
        "events": _COUNTS,
        "counters": {
            "rows": _COUNT,
            "_steps": _COUNT,
            "_own_rows": _COUNT,
            "_epoch_rows": _COUNT,
            "_epoch_steps": _COUNT,
            "_initial_rows": _COUNT,
            "_largest_pass": (_COUNT, _COUNT),
        },
        "losses": {
            "short": (_WEIGHT, _number(0, MAX_AMOUNT)),
            "long": (_WEIGHT, _number(0, MAX_AMOUNT)),
        },
        "gap_rows": replace(_COUNT, optional=True),
    },
}


def check(arrays: Arrays, facts: Any, settings: TrainingSettings, n_hosts: int) -> None:
    """Check the snapshot of one host before it becomes one.

    Parameters
    ----------
    arrays : dict of str to ndarray
        They have the types and the numbers of dimensions of a checkpoint, and are finite.
    facts : Any
        Anything that JSON can hold.
    settings : TrainingSettings
        Of the job.
    n_hosts : int
        Hosts of the job.

    Raises
    ------
    SnapshotError
        If no run of the job can resume from it.
    """
    check_facts(facts, FACTS)
    _check_shapes(arrays, settings, n_hosts)
    _check_stream(arrays, facts, settings)
    _check_reservoir(arrays, facts["reservoir"], settings, n_hosts)


def check_facts(value: Any, schema: Schema, where: str = "") -> None:
    """Check facts against a schema; names that are not in the schema are ignored.

    Raises
    ------
    SnapshotError
        If a fact is missing or of another kind.
    """
    place = f"{where}: " if where else ""
    if isinstance(schema, Kind):
        _expect(schema.holds(value), f"{place}expected {schema.words}, got {shown(value)}")
    elif isinstance(schema, tuple):
        fits = isinstance(value, list) and len(value) == len(schema)
        _expect(fits, f"{place}expected a list of {len(schema)}, got {shown(value)}")
        for number, (item, kind) in enumerate(zip(value, schema, strict=True)):
            check_facts(item, kind, f"{where}[{number}]")
    else:
        _expect(isinstance(value, dict), f"{place}expected an object, got {shown(value)}")
        for name, kind in schema.items():
            if isinstance(kind, Kind) and kind.optional and name not in value:
                continue
            _expect(name in value, f"{place}expected {name}, got none")
            check_facts(value[name], kind, f"{where}.{name}" if where else name)


def _check_shapes(arrays: Arrays, settings: TrainingSettings, n_hosts: int) -> None:
    n_centers, n_rows, n_features = len(arrays["centers"]), len(arrays["reservoir_rows"]), settings.n_features
    expected: dict[str, tuple[int, ...]] = {
        "centers": (max(1, n_centers), n_features),
        "weights": (n_centers,),
        "spreads": (n_centers,),
        "shift": (n_features,),
        "active": (n_hosts,),
        "with_rows": (n_hosts,),
        "reservoir_rows": (n_rows, n_features),
    }
    columns = ("labels", "numbers", "positions", "keys", *(("weights",) if settings.weighted else ()))
    expected |= {f"reservoir_{name}": (n_rows,) for name in columns}
    n_far = len(arrays["reservoir_far_rows"])
    expected["reservoir_far_rows"] = (n_far, n_features)
    expected |= {f"reservoir_far_{name}": (n_far,) for name in columns}
    for name in ("reservoir_weights", "reservoir_far_weights"):
        _expect((name in arrays) == settings.weighted, f"expected {name} if rows have weights, and only then")
    for name, shape in expected.items():
        _expect(arrays[name].shape == shape, f"expected {name} of shape {shape}, got {arrays[name].shape}")


def _check_stream(arrays: Arrays, facts: dict[str, Any], settings: TrainingSettings) -> None:
    begun = facts["epoch"] + facts["within_epoch"]
    _expect(begun <= settings.epochs, f"expected {settings.epochs} epochs at most, got {begun} that have begun")
    number = beyond_float32(arrays["centers"])
    _expect(number is None, f"expected centers in the range of float32, as rows are, got {number}")
    weights = arrays["weights"]
    _expect(weights.min() >= 0, f"expected weights of 0 or more, got {weights.min()}")
    with np.errstate(over="ignore"):
        total = weights.sum()
    # The latest rows have some.
    _expect(0 < total <= MAX_TOTAL_WEIGHT, f"expected weights of {MAX_TOTAL_WEIGHT:g} at most in all, got {total}")
    spreads = arrays["spreads"]
    wrong = spreads[(spreads < 0) | (spreads > MAX_AMOUNT)]
    _expect(not len(wrong), f"expected spreads from 0 to {MAX_AMOUNT:g}, got {wrong[:1]}")


def _check_reservoir(arrays: Arrays, facts: dict[str, Any], settings: TrainingSettings, n_hosts: int) -> None:
    n_rows, rows_seen = len(arrays["reservoir_rows"]), facts["rows_seen"]
    high = min(rows_seen, settings.sample_size)
    # Only one of several hosts may be without rows; without a threshold no row was dropped.
    low = rows_seen if facts["threshold"] is None else 1
    if n_hosts == 1:
        low = max(1, low)
    _expect(low <= n_rows <= high, f"expected {low} to {high} rows in the reservoir, got {n_rows}")
    n_far = len(arrays["reservoir_far_rows"])
    max_far = min(rows_seen, max_rows(settings.n_features))
    _expect(n_far <= max_far, f"expected {max_far} of the farthest rows at most, got {n_far}")
    last_position = MAX_TOTAL_WEIGHT if settings.weighted else MAX_COUNT
    last_number = facts["first_number"] + rows_seen - 1
    ranges = {
        "labels": len(arrays["centers"]) - 1,
        "numbers": last_number,
        "positions": last_position,
        "far_labels": len(arrays["centers"]) - 1,
        "far_numbers": last_number,
        "far_positions": last_position,
    }
    for name, last in ranges.items():
        values = arrays[f"reservoir_{name}"]
        wrong = values[(values < 0) | (values > last)]
        _expect(not len(wrong), f"expected reservoir_{name} from 0 to {last}, got {wrong[:1]}")
    for name in ("reservoir_weights", "reservoir_far_weights") if settings.weighted else ():
        wrong = arrays[name][~((arrays[name] > 0) & (arrays[name] <= MAX_TOTAL_WEIGHT))]
        _expect(not len(wrong), f"expected {name} of more than 0, up to {MAX_TOTAL_WEIGHT:g}, got {wrong[:1]}")


def _expect(holds: bool | np.bool_, otherwise: str) -> None:
    if not holds:
        raise SnapshotError(otherwise)
