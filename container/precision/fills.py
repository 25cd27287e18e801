"""What takes the place of missing numbers: the means of the features."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from container.logs.logger import LOGGER
from container.naming import feature_names
from container.precision.coordinates import Coordinates
from kmeans.types import DoubleArray

if TYPE_CHECKING:
    from kmeans.communicator import Communicator

Choose = Callable[[DoubleArray, int, DoubleArray | None], Coordinates]


def with_fills(choose: Choose, communicator: "Communicator", names: Sequence[str] = ()) -> Choose:
    """Return a function that chooses coordinates by rows with gaps.

    Parameters
    ----------
    choose : callable
        Chooses coordinates by rows without gaps; see `container.precision.choice.choose_coordinates`.
    communicator : Communicator
        The hosts, which all call the function together.
    names : sequence of str
        The names of the features, for messages; empty if they have none.

    Returns
    -------
    callable
        As `choose`. The coordinates put the means of the rows in the place of missing numbers.
    """

    def choose_with_fills(rows: DoubleArray, n_represented: int, weights: DoubleArray | None) -> Coordinates:
        fills = _means(rows, n_represented, communicator, weights)
        unknown = np.flatnonzero(np.isnan(fills))
        if len(unknown):
            shown = feature_names(unknown.tolist(), names)
            LOGGER.warning("All numbers are missing in the rows drawn, 0 takes their place: %s", shown)
        filled = Coordinates(fills=np.nan_to_num(fills))
        return replace(choose(filled.relative(rows), n_represented, weights), fills=filled.fills)

    return choose_with_fills


def _means(
    rows: DoubleArray, n_represented: int, communicator: "Communicator", weights: DoubleArray | None
) -> DoubleArray:
    """Return the means of the numbers that are there, over all hosts; NaN where there is none."""
    known = ~np.isnan(rows)
    factor = n_represented / len(rows) if len(rows) else 0.0
    numbers = np.where(known, rows, 0.0)
    if weights is None:
        totals = factor * np.stack([numbers.sum(axis=0), known.sum(axis=0)])
    else:
        totals = factor * np.stack([weights @ numbers, weights @ known])
    communicator.sum(totals)
    sums, counts = totals
    means: DoubleArray = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0.0)
    return means
