"""What a host needs to resume between two mini-batches: a dataclass for each part of a run.

The layout of a file follows from the fields: arrays are stored by name, all other fields (the facts) as JSON.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from kmeans.stream.epoch_losses import EpochLosses
from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray

# What the metadata of fields are called.
DTYPE: Final = "dtype"
N_DIMS: Final = "n_dims"
PREFIX: Final = "prefix"
GROUP: Final = "group"
# Whether a field may be None, and is then left out of a file.
OPTIONAL: Final = "optional"


def _array(dtype: str, n_dims: int, *, optional: bool = False) -> dict[str, Any]:
    """Describe a field that holds an array, by its type in a file and its number of dimensions."""
    return {DTYPE: dtype, N_DIMS: n_dims, OPTIONAL: optional}


def _part(prefix: str = "", group: str = "") -> dict[str, Any]:
    """Describe a field that holds the snapshot of a part.

    Parameters
    ----------
    prefix : str
        What the names of its arrays begin with.
    group : str
        The JSON name of an object for its facts; if empty, they are stored among those of the whole.
    """
    return {PREFIX: prefix, GROUP: group}


@dataclass(frozen=True)
class StreamSnapshot:
    """The state of a `Stream`; attributes mean what they mean there. No weight where it is the number of rows."""

    centers: DoubleArray = field(metadata=_array("<f8", 2))
    weights: DoubleArray = field(metadata=_array("<f8", 1))
    spreads: DoubleArray = field(metadata=_array("<f8", 1))
    shift: FloatArray = field(metadata=_array("<f4", 1))
    active: BoolArray = field(metadata=_array("|b1", 1))
    with_rows: BoolArray = field(metadata=_array("|b1", 1))
    rows_added: int
    rows_seen: int
    weight_seen: float | None = field(default=None, metadata={OPTIONAL: True})


@dataclass(frozen=True)
class LargestKeysSnapshot:
    """The state of `LargestKeys`: rows with what belongs to them; no threshold where no row was dropped.

    There are weights only where rows have some.
    """

    rows: FloatArray = field(metadata=_array("<f4", 2))
    labels: LabelArray = field(metadata=_array("<i8", 1))
    numbers: LabelArray = field(metadata=_array("<i8", 1))
    positions: DoubleArray = field(metadata=_array("<f8", 1))
    keys: DoubleArray = field(metadata=_array("<f8", 1))
    threshold: float | None
    weights: DoubleArray | None = field(default=None, metadata=_array("<f8", 1, optional=True))


@dataclass(frozen=True)
class ReservoirSnapshot:
    """The state of a `Reservoir`: its sample, and the farthest rows; attributes mean what they mean there.

    No weight where it is the number of rows.
    """

    rows_seen: int
    first_number: int
    latest_position: float
    held: LargestKeysSnapshot = field(metadata=_part())
    key: int
    farthest: LargestKeysSnapshot = field(metadata=_part(prefix="far_", group="farthest"))
    weight_seen: float | None = field(default=None, metadata={OPTIONAL: True})


@dataclass(frozen=True)
class RunSnapshot:
    """The state of a `Run` on one host. Its arrays are views, valid until training continues.

    Attributes
    ----------
    step : int
        Number of the latest step, from 1, over all epochs; the same on all hosts.
    epoch : int
        See `Run`.
    within_epoch : bool
        See `Run`.
    reassigned : int
        See `Run`.
    outlier_distance : float
        See `Run`.
    losses : EpochLosses
        See `Run`.
    stream : StreamSnapshot
        The centers.
    reservoir : ReservoirSnapshot
        The sample.
    observer : dict
        What the observer needs to resume, and under `events` how often each policy was applied.
    """

    step: int
    epoch: int
    within_epoch: bool
    reassigned: int
    outlier_distance: float
    losses: EpochLosses = field(metadata=_part(group="epoch_losses"))
    stream: StreamSnapshot = field(metadata=_part())
    reservoir: ReservoirSnapshot = field(metadata=_part(prefix="reservoir_", group="reservoir"))
    observer: dict[str, Any]
