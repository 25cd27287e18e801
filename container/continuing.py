"""Where a job goes on from: an interrupted run of its own, or the model of an earlier job."""

import numpy as np

from container.artifacts import model as artifacts
from container.artifacts.checkpoint import Checkpoints
from container.configuration import ChannelConfiguration
from container.errors import CustomerError
from container.logs import LOGGER
from kmeans.communicator import Communicator
from kmeans.snapshot import Snapshot
from kmeans.starting import EarlierModel


def resumed(checkpoints: Checkpoints, communicator: Communicator) -> Snapshot | None:
    """Give the newest checkpoint that every host has, or None when there is none."""
    own = [list(found) for found in checkpoints.steps().items()]
    everyones = communicator.gather_rows(np.array(own, np.int64).reshape(-1, 2)).tolist()
    common = [step for step, checksum in own if everyones.count([step, checksum]) == communicator.size]
    if not common:
        if everyones:
            LOGGER.warning("The hosts have no checkpoint in common: the job begins anew")
        return None
    step = max(common)
    LOGGER.info("going on from the checkpoint of step %d", step)
    return checkpoints.load(step)


def earlier_model(channel: ChannelConfiguration, n_features: int) -> EarlierModel:
    """Read the model that a job continues: ours with its weighted centers, or one of the built-in.

    Raises
    ------
    CustomerError
        If there is none, or one of other features.
    """
    try:
        model = artifacts.load(channel.path)
        weighted = artifacts.find_state(channel.path)
    except artifacts.ModelError as error:
        raise CustomerError(f"Channel {channel.name}: {error}") from None
    if weighted is None:
        found = EarlierModel(model.centers.astype(np.float64), np.zeros(len(model.centers)))
    else:
        live = weighted.live()
        found = EarlierModel(live.centers, live.weights)
    if found.centers.shape[1] != n_features:
        raise CustomerError(
            f"Channel {channel.name}: expected a model of feature_dim {n_features}, got one of {found.centers.shape[1]}"
        )
    LOGGER.info("continuing from %d centers, of %.0f rows", len(found.centers), found.weights.sum())
    return found
