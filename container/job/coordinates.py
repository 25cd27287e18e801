"""How a job comes to the coordinates of its rows: chosen from some of them, or those of a kept model."""

from dataclasses import replace
from functools import partial

from container.channels.channel import Channel
from container.job.context import JobContext
from container.logs.logger import LOGGER
from container.precision.choice import SPREAD_ROWS, shifted_coordinates, standardized_coordinates
from container.precision.coordinates import COSINE, PLAIN, UNIT, Coordinates
from container.precision.fills import Choose, with_fills
from kmeans.types import DoubleArray


def choose_from_drawn_rows(rows: Channel, context: JobContext, kept: Coordinates = PLAIN) -> None:
    """Have the coordinates chosen from rows drawn from the data (in Pipe mode, the first ones), as the job asks.

    Parameters
    ----------
    rows : Channel
        The training rows.
    context : JobContext
        The job on this host.
    kept : Coordinates
        Those of a model that is kept. Its scales, and what it puts in the place of missing numbers, are not chosen.
    """
    given, communicator = context.configuration.hyperparameters, context.communicator

    def choose_by(rows: DoubleArray, n_represented: int, weights: DoubleArray | None) -> Coordinates:
        if given.distance == COSINE:
            LOGGER.info("comparing directions: rows are scaled to length 1, msd is twice the mean of 1 - cosine")
            return UNIT
        names = context.feature_names
        shifted = shifted_coordinates(rows, communicator, context.progress.events, names)
        if not given.standardize:
            return shifted
        return standardized_coordinates(rows, n_represented, communicator, weights, names)

    choose: Choose = choose_by
    if kept.scaled:
        choose = partial(_unchanged, kept)
    fills = given.missing == "mean" and kept.fills is None
    if fills:
        choose = with_fills(choose, communicator, context.feature_names)
    if kept.fills is not None:
        choose = partial(_filled, choose, kept.fills)
    rows.choose_coordinates_by(choose, SPREAD_ROWS if fills or (given.standardize and not kept.scaled) else 0)


def _unchanged(kept: Coordinates, rows: DoubleArray, n_represented: int, weights: DoubleArray | None) -> Coordinates:
    del rows, n_represented, weights
    return kept


def _filled(
    choose: Choose, fills: DoubleArray, rows: DoubleArray, n_represented: int, weights: DoubleArray | None
) -> Coordinates:
    """Choose coordinates by rows with gaps that are filled."""
    return replace(choose(Coordinates(fills=fills).relative(rows), n_represented, weights), fills=fills)
