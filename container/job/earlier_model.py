"""The channel `model`: the model of an earlier job, which this one continues."""

from collections.abc import Sequence

import numpy as np

from container.artifacts import model as artifacts
from container.configuration.channels import ChannelConfiguration
from container.errors import CustomerError
from container.formats.columns import refuse_moved
from container.formats.errors import FormatError
from container.logs.logger import LOGGER
from container.precision.coordinates import EUCLIDEAN, UNIT
from kmeans.stream.first_centers import EarlierModel


def read_earlier_model(
    channel: ChannelConfiguration, n_features: int, distance: str = EUCLIDEAN, names: Sequence[str] = ()
) -> EarlierModel:
    """Read the model that a job continues: one of this program with its weighted centers, or one of the built-in.

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
    EarlierModel
        Its centers have no weight if the model has no state.

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
    if kept is None and model.description is None and distance == UNIT.distance:
        # The built-in does not know this distance: its rows may have been of length 1, and their means are shorter.
        coordinates = UNIT
    if coordinates.distance != distance:
        raise CustomerError(
            f"Channel {channel.name}: expected a model trained with distance={distance}, as this job is, got one "
            f"trained with distance={coordinates.distance}"
        )
    if kept is None:
        centers = coordinates.exact_rows(model.centers) if coordinates.unit else model.centers
        found = EarlierModel(centers.astype(np.float64), np.zeros(len(centers)))
    else:
        live = kept[0].live()
        found = EarlierModel(coordinates.absolute(live.centers), live.weights)
    if found.centers.shape[1] != n_features:
        raise CustomerError(
            f"Channel {channel.name}: expected a model of feature_dim {n_features}, got one of {found.centers.shape[1]}"
        )
    try:
        refuse_moved(names, model.feature_names)
    except FormatError as error:
        raise CustomerError(
            f"Channel {channel.name}: the order of the features is not that of the data: {error}; feature_columns"
            " chooses columns in any order"
        ) from None
    LOGGER.info("continuing from %d centers, of %.0f rows", len(found.centers), found.weights.sum())
    return found
