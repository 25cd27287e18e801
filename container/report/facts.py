"""What a report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from container.coordinates import Coordinates
from container.report.losses import Losses
from kmeans.assignment.scoring import Score
from kmeans.model import Model


@dataclass(frozen=True)
class Facts:
    """What is known of a job when it ends.

    Attributes
    ----------
    model
        What training found.
    coordinates
        Those of its centers and rows.
    tested
        How well it fits the test channel; None where there is none, or where it was not scored.
    losses
        Of the mini-batches.
    hosts
        Names of the hosts, the leader first.
    hyperparameters
        All values as sent, defaults included.
    seed
        The seed used.
    epochs
        Passes over the rows that were asked for.
    rows_seen
        Rows over all hosts and epochs.
    rows_per_second
        While rows were read.
    began
        Seconds since 1970.
    seconds
        From then on.
    versions
        Of what computed the model, by name.
    warnings
        As logged, the first of them.
    warnings_left_out
        How many more there were.
    events
        How often each policy was applied, by name.
    """

    model: Model
    coordinates: Coordinates
    tested: Score | None
    losses: Losses
    hosts: Sequence[str]
    hyperparameters: Mapping[str, str]
    seed: int
    epochs: int
    rows_seen: int
    rows_per_second: float
    began: float
    seconds: float
    versions: Mapping[str, str]
    warnings: Sequence[str]
    warnings_left_out: int
    events: Mapping[str, int]
