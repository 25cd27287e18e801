"""The coordinates of a job, chosen by rows drawn from its data; in Pipe mode, by the first ones."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from container.logs.logger import LOGGER
from container.naming import feature_names
from container.precision.coarse_features import coarse_features
from container.precision.coordinates import Coordinates
from container.precision.scales import Moments, moments_of
from kmeans.assignment.shift import thinned
from kmeans.types import DoubleArray

if TYPE_CHECKING:
    from kmeans.communicator import Communicator
    from kmeans.events import Events

# The most rows in which features are looked for that float32 is too coarse for.
MAX_ROWS: Final = 300
# The rows that means and standard deviations are estimated from.
SPREAD_ROWS: Final = 5000


def shifted_coordinates(
    rows: DoubleArray, communicator: "Communicator", events: "Events", names: Sequence[str] = ()
) -> Coordinates:
    """Choose an origin where float32 is too coarse for the values; say where digits are gone already.

    Parameters
    ----------
    rows : ndarray of float64, shape (n, d)
        Some of this host's rows; there may be none.
    communicator : Communicator
        The hosts, which all call this together.
    events : Events
        Counts the features that have lost their digits.
    names : sequence of str
        The names of the features, for messages; empty if they have none.

    Returns
    -------
    Coordinates
        The same on every host.
    """
    coarse = coarse_features(communicator.gather_rows(thinned(rows, -(-MAX_ROWS // communicator.size))))
    kept = ~coarse.lost
    if kept.any():
        LOGGER.info(
            "computing relative to an origin, where float32 is too coarse for the values: %s", coarse.named(kept, names)
        )
    if coarse.lost.any():
        events.happened(
            "coarse_features",
            int(coarse.lost.sum()),
            f"The values of some features were rounded to float32, which is too coarse for them: "
            f"{coarse.named(coarse.lost, names)}. Send them as float64, as int32, or as CSV with all digits, "
            "or subtract a usual value first.",
        )
    return coarse.coordinates(rows.shape[1])


def standardized_coordinates(
    rows: DoubleArray,
    n_represented: int,
    communicator: "Communicator",
    weights: DoubleArray | None = None,
    names: Sequence[str] = (),
) -> Coordinates:
    """Choose coordinates in which every feature has mean 0 and deviation 1, or 0 if it is constant.

    Parameters
    ----------
    rows : ndarray of float64, shape (n, d)
        As for `moments_of`.
    n_represented : int
        As for `moments_of`.
    communicator : Communicator
        As for `moments_of`.
    weights : ndarray of float64, shape (n,), or None
        The weights of the rows; None where each counts once.
    names : sequence of str
        The names of the features, for messages; empty if they have none.

    Returns
    -------
    Coordinates
        The same on every host.
    """
    moments = moments_of(rows, n_represented, communicator, weights)
    _log_moments(moments, names)
    return moments.coordinates()


def _log_moments(moments: Moments, names: Sequence[str]) -> None:
    LOGGER.info(
        "standardizing: distances and msd are in standard deviations of the features, computed from %d rows",
        moments.n_rows,
    )
    if not moments.n_rows:
        LOGGER.warning("The job was stopped before any row was drawn: the features are not standardized.")
        return
    constant = np.flatnonzero(moments.constant)
    if len(constant):
        shown = feature_names(constant.tolist(), names)
        LOGGER.info("constant in these rows, and left in their own units: %s", shown)
