"""The channel `model`: the model of an earlier job or a table of centers, which this job starts from or keeps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.artifacts import model as artifacts
from container.configuration.channels import ChannelConfiguration
from container.errors import CustomerError
from container.formats.columns import refuse_moved
from container.formats.errors import FormatError, ZeroRowError
from container.job.center_table import read_centers, table_in
from container.precision.coordinates import COSINE, EUCLIDEAN, UNIT, Coordinates
from kmeans.settings import TrainingSettings
from kmeans.stream.first_centers import GivenCenters


@dataclass(frozen=True, eq=False)
class GivenModel:
    """What the channel `model` holds.

    Attributes
    ----------
    start : GivenCenters
        Where the stream starts. Its centers have no weight if the model has no state.
    centers : ndarray of float32 or float64, shape (m, d)
        Those of the model, in the units of the data, or those of a table, in float64.
    coordinates : Coordinates or None
        The coordinates in which distances from the model are measured; None for a table, and for a model of the
        built-in.
    feature_names : tuple of str
        The names of the features that the model has; empty if there are none.
    is_table : bool
        Whether it is a table.
    """

    start: GivenCenters
    centers: NDArray[Any]
    coordinates: Coordinates | None = None
    feature_names: tuple[str, ...] = ()
    is_table: bool = False

    def saved(self, coordinates: Coordinates) -> NDArray[Any]:
        """Return the centers as the files of a model of rows in these coordinates have them; a model's own stay."""
        return coordinates.saved(self.centers) if self.is_table else self.centers


def read_given_model(
    channel: ChannelConfiguration,
    settings: TrainingSettings,
    columns_in_data: Sequence[str] = (),
    feature_names: Sequence[str] = (),
) -> GivenModel:
    """Read the model or the table of centers that is in the channel `model`; see `read_earlier_model`, `read_centers`.

    Parameters
    ----------
    channel : ChannelConfiguration
        The channel.
    settings : TrainingSettings
        What to train.
    columns_in_data : sequence of str
        The names of the columns of the features in the training data; empty if they have none.
    feature_names : sequence of str
        The names of the features, as given or as in the data; empty if there are none.

    Returns
    -------
    GivenModel
        The centers of a table have length 1 if settings are spherical.

    Raises
    ------
    CustomerError, PlatformError
        If the channel holds neither, or one that does not fit the job.
    """
    distance = COSINE if settings.spherical else EUCLIDEAN
    table = table_in(channel)
    if table is None:
        return read_earlier_model(channel, settings.n_features, distance, feature_names)
    centers = read_centers(table, settings, columns_in_data, feature_names)
    if settings.spherical:
        try:
            UNIT.check(centers)
        except ZeroRowError as error:
            raise CustomerError(f"Channel {channel.name}: {error}") from None
        centers = UNIT.exact_rows(centers)
    return GivenModel(GivenCenters(centers, np.zeros(len(centers))), centers, is_table=True)


def kept_model(channel: ChannelConfiguration, given: GivenModel, k: int, *, standardize: bool) -> GivenModel:
    """Return a model with its own centers as the start, for a job of no epochs, which keeps them.

    Raises
    ------
    CustomerError
        If the job has another k, or measures distances in another way than the model does.
    """
    if len(given.centers) != k:
        raise CustomerError(
            f"Channel {channel.name}: expected a model of k = {k} centers, which epochs=0 keeps, got one of "
            f"{len(given.centers)}"
        )
    if given.coordinates is not None and given.coordinates.scaled != standardize:
        was, now = ("true", "false") if given.coordinates.scaled else ("false", "true")
        raise CustomerError(
            f"Channel {channel.name}: expected a model trained with standardize={now}, as this job is, which keeps it "
            f"with epochs=0, got one trained with standardize={was}"
        )
    return replace(given, start=GivenCenters(given.centers.astype(np.float64), np.zeros(k)))


def read_earlier_model(
    channel: ChannelConfiguration, n_features: int, distance: str = EUCLIDEAN, names: Sequence[str] = ()
) -> GivenModel:
    """Read the model of an earlier job: one of this program with its weighted centers, or one of the built-in.

    Parameters
    ----------
    channel : ChannelConfiguration
        The channel that holds the model.
    n_features : int
        The number of features that the model must have.
    distance : str
        The distance of the job, which the model must have been trained with, too; one of the built-in may have been.
    names : sequence of str
        The names of the features; empty if there are none.

    Returns
    -------
    GivenModel
        The model.

    Raises
    ------
    CustomerError
        If the channel holds no model, or one with another number of features, with features in another order or another
        distance.
    """
    try:
        model = artifacts.load(channel.path)
        kept = artifacts.find_state(channel.path)
    except artifacts.ModelError as error:
        raise CustomerError(f"Channel {channel.name}: {error}") from None
    coordinates = model.coordinates if kept is None else kept[1]
    of_the_built_in = kept is None and model.description is None
    centers, exact = model.centers, model.centers.astype(np.float64)
    if of_the_built_in and distance == COSINE:
        # The built-in does not know this distance: its rows may have been of length 1, and their means are shorter.
        coordinates = UNIT
    if coordinates.distance != distance:
        raise CustomerError(
            f"Channel {channel.name}: expected a model trained with distance={distance}, as this job is, got one "
            f"trained with distance={coordinates.distance}"
        )
    if coordinates.unit:
        exact = UNIT.exact_rows(exact)
        centers = exact.astype(np.float32) if of_the_built_in else centers
    start = GivenCenters(exact, np.zeros(len(exact)))
    if kept is not None:
        live = kept[0].live()
        start = GivenCenters(coordinates.absolute(live.centers), live.weights)
    if start.centers.shape[1] != n_features:
        raise CustomerError(
            f"Channel {channel.name}: expected a model of feature_dim {n_features}, got one of {start.centers.shape[1]}"
        )
    try:
        refuse_moved(names, model.feature_names)
    except FormatError as error:
        raise CustomerError(
            f"Channel {channel.name}: the order of the features is not that of the data: {error}; feature_columns"
            " chooses columns in any order"
        ) from None
    return GivenModel(start, centers, None if of_the_built_in else model.coordinates, model.feature_names)
