"""The channel `model`: the model of an earlier job, which this one continues."""

from collections.abc import Sequence

import numpy as np

from container.artifacts import model as artifacts
from container.configuration.files import ChannelConfiguration
from container.errors import CustomerError
from container.formats.columns import refuse_moved
from container.formats.errors import FormatError
from container.logs.logger import LOGGER
from kmeans.stream.first_centers import EarlierModel


def read_earlier_model(channel: ChannelConfiguration, n_features: int, names: Sequence[str] = ()) -> EarlierModel:
    """Read the model that a job continues: one of this program with its weighted centers, or one of the built-in.

    Parameters
    ----------
    channel : ChannelConfiguration
        The channel that holds the model.
    n_features : int
        The number of features that the model must have.
    names : sequence of str
        The names of the features; empty if there are none.

    Returns
    -------
    EarlierModel
        Its centers have no weight if the model has no state.

    Raises
    ------
    CustomerError
        If the channel holds no model, or one with another number of features or with features in another order.
    """
    try:
        model = artifacts.load(channel.path)
        kept = artifacts.find_state(channel.path)
    except artifacts.ModelError as error:
        raise CustomerError(f"Channel {channel.name}: {error}") from None
    if kept is None:
        found = EarlierModel(model.centers.astype(np.float64), np.zeros(len(model.centers)))
    else:
        state, coordinates = kept
        live = state.live()
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
