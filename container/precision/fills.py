"""What takes the place of missing numbers: the means of the features."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from container.logs.logger import LOGGER
from container.precision.coordinates import Coordinates
from container.precision.scales import feature_name
from kmeans.types import DoubleArray

if TYPE_CHECKING:
    from kmeans.communicator import Communicator

Choose = Callable[[DoubleArray, int], Coordinates]

_MAX_NAMED: Final = 5


def with_fills(choose: Choose, communicator: "Communicator", names: Sequence[str] | None = None) -> Choose:
    """Return a function that chooses coordinates by rows with gaps.

    Parameters
    ----------
    choose : callable
        Chooses coordinates by rows without gaps; see `container.precision.choice.choose_coordinates`.
    communicator : Communicator
        The hosts, which all call the function together.
    names : sequence of str or None
        The names of the features, for messages.

    Returns
    -------
    callable
        As `choose`. The coordinates put the means of the rows in the place of missing numbers.
    """

    def choose_with_fills(rows: DoubleArray, n_represented: int) -> Coordinates:
        fills = _means(rows, n_represented, communicator)
        unknown = np.flatnonzero(np.isnan(fills))
        if len(unknown):
            more = f" and {len(unknown) - _MAX_NAMED} more" if len(unknown) > _MAX_NAMED else ""
            shown = ", ".join(feature_name(int(feature), names) for feature in unknown[:_MAX_NAMED])
            LOGGER.warning("All numbers are missing in the rows drawn, 0 takes their place: %s%s", shown, more)
        filled = Coordinates(fills=np.nan_to_num(fills))
        return replace(choose(filled.relative(rows), n_represented), fills=filled.fills)

    return choose_with_fills


def _means(rows: DoubleArray, n_represented: int, communicator: "Communicator") -> DoubleArray:
    """Return the means of the numbers that are there, over all hosts; NaN where there is none."""
    known = ~np.isnan(rows)
    weight = n_represented / len(rows) if len(rows) else 0.0
    totals = weight * np.stack([np.where(known, rows, 0.0).sum(axis=0), known.sum(axis=0)])
    communicator.sum(totals)
    sums, counts = totals
    means: DoubleArray = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0.0)
    return means
