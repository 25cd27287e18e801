"""A model of another k, made of the state of a stream: with its sample, with rows of the data, or without any row."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from container.artifacts import kept_sample
from container.artifacts import model as artifacts
from container.artifacts.state import MAX_TOTAL_WEIGHT
from container.channels.channel import Channel
from container.configuration.algorithm_settings import finalization_settings, settings_of
from container.configuration.hyperparameters import Hyperparameters
from container.errors import CustomerError
from container.logs.logger import LOGGER
from container.precision.coordinates import Coordinates
from kmeans.assignment.engine import Engine
from kmeans.assignment.scoring import score
from kmeans.communicator import SingleHost
from kmeans.finalization.curve import Curve
from kmeans.finalization.estimated_distances import estimated_distribution
from kmeans.finalization.estimation import estimate
from kmeans.finalization.exploration import explore, ks_to_explore
from kmeans.finalization.finalization import finalize
from kmeans.finalization.optimism import optimism
from kmeans.finalization.resources import Resources
from kmeans.kmeans_plus_plus import distinct
from kmeans.model import Model
from kmeans.observer import Silent
from kmeans.points import parts, with_weights
from kmeans.sample import Sample
from kmeans.source import GivenUpError
from kmeans.state import State
from kmeans.types import as_points

# Counts of rows are exact in float64 too.
MAX_ROWS: Final = 1 << 53


def find_state(model: Path, sample: Path | None) -> tuple[State, Coordinates]:
    """Find the state with the sample; if there is none, that of the model.

    Parameters
    ----------
    model : Path
        The folder of a job's output, or a model alone.
    sample : Path or None
        The sample, see `kept_sample.find`; None to look for it in the folder of the output.

    Returns
    -------
    state : State
        The state.
    coordinates : Coordinates
        The coordinates of its centers and rows.

    Raises
    ------
    ModelError
        If there is no state, or an invalid one.
    CustomerError
        If there is no sample where it should be, or that of another job.
    """
    own = artifacts.find_state(model)
    place = sample or model
    kept = kept_sample.find(place) if sample or place.is_dir() else None
    if sample and kept is None:
        raise CustomerError(f"{place}: expected {artifacts.STATE} with a sample, got none")
    if kept is None:
        return own or artifacts.load_state(model)
    if own is not None and not _are_of_one_job(own, kept):
        raise CustomerError(f"{place}: expected the sample of the job that made {model}, got that of another")
    return kept


def _are_of_one_job(one: tuple[State, Coordinates], other: tuple[State, Coordinates]) -> bool:
    (a, coordinates), (b, others) = one, other
    if not np.array_equal(a.shift, b.shift) or not np.isclose(a.weights.sum(), b.weights.sum(), rtol=1e-9):
        return False
    points = np.array([[0.0], [1.0]]).repeat(len(a.shift), axis=1)
    return np.array_equal(coordinates.absolute(points), others.absolute(points))


def check_k(k: int, state: State, model: Path) -> None:
    """Raise CustomerError if the state of a model has fewer than k different centers."""
    live = state.live().centers
    for n_most, what in ((len(live), "centers"), (len(distinct(live)), "different centers")):
        if k > n_most:
            raise CustomerError(f"Expected k up to {n_most}, as many {what} as the state of {model} has, got {k}")


def number_of_rows(description: dict[str, Any] | None, state: State) -> int:
    """Return the number of rows that the model was made of; of the sample, where the description does not say."""
    stated = description.get("rows") if description else None
    at_least = len(state.sample.rows) or max(1, int(min(MAX_ROWS, state.weights.sum())))
    return max(len(state.sample.rows), stated) if type(stated) is int and 0 < stated <= MAX_ROWS else at_least


def total_weight(description: dict[str, Any] | None, state: State, chosen: Hyperparameters) -> float | None:
    """Return the sum of the weights of the rows that the model was made of; None if they have none."""
    if not chosen.weight_column:
        return None
    stated = description.get("total_weight") if description else None
    if isinstance(stated, float) and 0.0 < stated <= MAX_TOTAL_WEIGHT:
        return stated
    return float(state.weights.sum()) / max(1, chosen.epochs)


def with_rows_of(channel: Channel, state: State, n_rows: int, chosen: Hyperparameters, engine: Engine) -> State:
    """Return a state with a sample that is drawn from its data.

    Parameters
    ----------
    channel : Channel
        The data.
    state : State
        A state without sample.
    n_rows : int
        The number of rows that it was made of.
    chosen : Hyperparameters
        Those of the job.
    engine : Engine
        What computes.

    Returns
    -------
    State
        The same centers, with a sample.

    Raises
    ------
    CustomerError
        If the data have another number of rows.
    """
    settings = settings_of(chosen)
    size = min(settings.sample_size, settings.kept_sample_size)
    try:
        drawn, found = channel.sample(size, np.random.default_rng(chosen.seed))
    except GivenUpError:
        raise CustomerError(f"The command was stopped before rows of {channel.path} were drawn") from None
    if found != n_rows:
        raise CustomerError(f"{channel.path}: expected the {n_rows} rows that the model was made of, got {found}")
    (rows, weights), n_drawn = parts(drawn), len(drawn)
    labels, _ = engine.assigner(state.centers).assign(rows)
    # Where rows have other weights in the stream, only both together stand for all.
    complete = n_drawn == n_rows and state.spreads is not None and not chosen.half_life_time_size
    return replace(state, sample=Sample(rows, labels, np.ones(n_drawn) if weights is None else weights, complete))


def resolved(
    chosen: Hyperparameters, state: State, n_rows: int, resources: Resources, weight: float | None = None
) -> Model:
    """Make a model.

    Parameters
    ----------
    chosen : Hyperparameters
        Those of the job, with the k of the new model.
    state : State
        What the stream has left.
    n_rows : int
        The number of rows that it was made of.
    resources : Resources
        The engine, and the deadline for the search.
    weight : float or None
        The sum of the weights of the rows; None if they have none.

    Returns
    -------
    Model
        The model with its score; with estimates for other k and the distances of rows if the state has a sample.
    """
    engine, seeds = resources.engine, np.random.SeedSequence(chosen.seed)
    how = finalization_settings(chosen, len(state.centers))
    centers = finalize(state, chosen.k, how, seeds, Silent(), resources)
    # With decay, the weights of rows are not their own.
    if state.sample.complete and not (weight and chosen.half_life_time_size):
        rows = with_weights(state.sample.rows, state.sample.weights if weight else None)
        fit = score([rows], engine.assigner(centers), SingleHost())
    else:
        if not len(state.sample.rows) and state.spreads is None:
            LOGGER.warning("The spreads of the intermediate centers are not known: msd is that of these centers.")
            state = replace(state, spreads=np.zeros(len(state.centers)))
        fit = estimate(state, n_rows, centers, engine, weight)
        if how.refine:
            fit = fit.raised(optimism(state, centers, engine, resources.deadline.passed))
    curve, distances = Curve((), 0.0, None), None
    points = as_points(centers)
    if len(state.sample.rows):
        ks = ks_to_explore(chosen.k, len(state.centers), centers.shape[1], state.work)
        curve = explore(state, centers, fit, ks, np.random.SeedSequence((chosen.seed, chosen.k)), resources)
        distances = estimated_distribution(state, points, fit, engine)
    events = dict(resources.events.counts)
    return Model(points, fit.rows, False, fit, state, curve, events, distances=distances)
