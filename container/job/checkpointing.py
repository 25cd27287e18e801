"""Checkpoints of a job of any number of hosts: written on all of them, and resumed from one that all have."""

from collections.abc import Callable

import numpy as np

from container.artifacts.checkpoint import Checkpoint, Checkpoints
from container.job.best_effort import warn_on_failure
from container.logs.logger import LOGGER
from container.precision.coordinates import Coordinates
from kmeans.communicator import Communicator
from kmeans.events import Events
from kmeans.stream.snapshot import RunSnapshot


def newest_common(checkpoints: Checkpoints, communicator: Communicator) -> Checkpoint | None:
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
        with warn_on_failure(events, "checkpoints_failed", "A checkpoint was not written"):
            checkpoints.save(snapshot, coordinates())
            written = True
        if not on_all_hosts(written):
            with warn_on_failure(events, "checkpoints_failed", "A checkpoint was not removed"):
                checkpoints.forget(snapshot.step)

    return save
