"""The data of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from container.precision.coordinates import Coordinates
from container.report.losses import Losses
from kmeans.assignment.scoring import Score
from kmeans.model import Model


@dataclass(frozen=True)
class Facts:
    """The facts about a job at its end.

    Attributes
    ----------
    model : Model
        The model.
    coordinates : Coordinates
        The coordinates of its centers and rows.
    tested : Score or None
        The score on the test channel; None if there is no such channel, or if it was not scored.
    losses : Losses
        The losses of the mini-batches.
    hosts : sequence of str
        The names of the hosts, the leader first.
    hyperparameters : Mapping of str to str
        All values as sent, including defaults.
    shows_rows : bool
        Whether the report may show rows of the training data.
    seed : int
        The random seed.
    epochs : int
        Number of epochs of the job.
    rows_seen : int
        Number of rows over all hosts and epochs.
    rows_per_second : float
        The throughput of the stream.
    began : float
        Start of the job, in seconds since 1970.
    seconds : float
        Duration of the job up to now.
    versions : Mapping of str to str
        The versions of the packages that computed the model, by name.
    warnings : sequence of str
        The first warnings of the log.
    warnings_left_out : int
        Number of further warnings.
    events : Mapping of str to int
        How often each policy was applied, by name.
    feature_names : sequence of str
        The names of the features; empty if they have none.
    """

    model: Model
    coordinates: Coordinates
    tested: Score | None
    losses: Losses
    hosts: Sequence[str]
    hyperparameters: Mapping[str, str]
    shows_rows: bool
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
    feature_names: Sequence[str] = ()

    @property
    def weighted(self) -> bool:
        """Whether the rows have weights."""
        return bool(self.hyperparameters.get("weight_column"))
