"""Where a job resumes or continues from: an interrupted run of its own, or the model of an earlier job."""

from collections.abc import Callable

import numpy as np

from container.artifacts import model as artifacts
from container.artifacts.checkpoint import Checkpoint, Checkpoints
from container.configuration.files import ChannelConfiguration
from container.coordinates import Coordinates
from container.errors import CustomerError
from container.job.best_effort import beside_the_model
from container.logs.logger import LOGGER
from kmeans.communicator import Communicator
from kmeans.events import Events
from kmeans.stream.first_centers import EarlierModel
from kmeans.stream.snapshot import RunSnapshot


def resumed(checkpoints: Checkpoints, communicator: Communicator) -> Checkpoint | None:
    """Return the newest checkpoint that every host has, or None when there is none."""
    own = [list(found) for found in checkpoints.steps().items()]
    everyones = communicator.gather_rows(np.array(own, np.int64).reshape(-1, 2)).tolist()
    common = [step for step, checksum in own if everyones.count([step, checksum]) == communicator.size]
    if not common:
        if everyones:
            LOGGER.warning("The hosts have no checkpoint in common: starting from scratch")
        return None
    step = max(common)
    LOGGER.info("resuming from the checkpoint of step %d", step)
    return checkpoints.load(step)


def saving(
    checkpoints: Checkpoints,
    communicator: Communicator,
    events: Events,
    coordinates: Callable[[], Coordinates] = Coordinates,
) -> Callable[[RunSnapshot], None]:
    """Return a function that saves snapshots: on every host or on none, since a job resumes from one that all have.

    All hosts call this, and what it returns, at the same steps. The coordinates, asked for each time, are saved too.
    """

    def on_all_hosts(ready: bool) -> bool:
        count = np.array([float(ready)])
        communicator.sum(count)
        return bool(count[0] == communicator.size)

    if not on_all_hosts(checkpoints.enabled):
        return lambda _: None

    def save(snapshot: RunSnapshot) -> None:
        written = False
        with beside_the_model(events, "checkpoints_failed", "A checkpoint was not written"):
            checkpoints.save(snapshot, coordinates())
            written = True
        if not on_all_hosts(written):
            with beside_the_model(events, "checkpoints_failed", "A checkpoint was not removed"):
                checkpoints.forget(snapshot.step)

    return save


def earlier_model(channel: ChannelConfiguration, n_features: int) -> EarlierModel:
    """Read the model that a job continues: ours with its weighted centers, or one of the built-in.

    Raises
    ------
    CustomerError
        If there is none, or one of other features.
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
    LOGGER.info("continuing from %d centers, of %.0f rows", len(found.centers), found.weights.sum())
    return found
