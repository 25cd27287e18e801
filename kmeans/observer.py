"""What training reports while it runs; `container.logs` turns it into log lines."""

from dataclasses import dataclass
from typing import Any, Protocol

from kmeans.stream.epoch_losses import EpochLosses


@dataclass(frozen=True)
class MiniBatch:
    """What the stream took in one step: a mini-batch, the rows of which come from all hosts.

    Attributes
    ----------
    rows : int
        Its rows.
    inertia : float
        Sum of their squared distances to the centers as they were before the step, times their weights.
    own_rows : int
        The rows that came from this host.
    reassigned : int
        Centers that were reassigned to far rows.
    weight : float or None
        The sum of the weights of the rows; None where each counts once.
    """

    rows: int
    inertia: float
    own_rows: int
    reassigned: int = 0
    weight: float | None = None

    @property
    def count(self) -> float:
        """What the rows count as: the sum of their weights, or their number."""
        return self.rows if self.weight is None else self.weight


class Observer(Protocol):
    """Called at every stage of training."""

    def facts(self) -> dict[str, Any]:
        """Return what `restore` needs to resume counting, as JSON can hold it; `events` is not among the names."""
        ...

    def restore(self, facts: dict[str, Any]) -> None:
        """Resume from the `facts` of an interrupted run."""
        ...

    def initialized(self, n_rows: int, n_centers: int) -> None:
        """Note that `n_centers` centers were chosen from `n_rows` rows."""
        ...

    def stepped(self, batch: MiniBatch) -> None:
        """Note that the stream took a step."""
        ...

    def epoch_ended(self, epoch: int) -> None:
        """Note that epoch number `epoch`, from 0, is over."""
        ...

    def stopped(self) -> None:
        """Note that the job ends early, with rows left."""
        ...

    def assigning(self, k: int) -> None:
        """Note that all rows are about to be assigned to `k` centers that stay as they are."""
        ...

    def assigned(self, batch: MiniBatch) -> None:
        """Note that all rows have been assigned."""
        ...

    def epochs_ended_early(self, epochs: int, losses: EpochLosses) -> None:
        """Note that the stream ends after some epochs, since another one would not pay."""
        ...

    def reassigned(self, count: int) -> None:
        """Note that the stream has reassigned centers to far rows, `count` times in all."""
        ...

    def shrinking(self, n_centers: int, k: int) -> None:
        """Note that `n_centers` centers are about to be reduced to `k`."""
        ...

    def shrinking_unneeded(self) -> None:
        """Note that the stream has k centers already."""
        ...

    def attempted(self, trial: int, msd: float) -> None:
        """Note the loss of one trial over the weighted centers."""
        ...

    def shrunk(self, msd: float) -> None:
        """Note the least loss of all trials."""
        ...

    def refined(self, n_rows: int, msd: float | None) -> None:
        """Note the loss on the sample of `n_rows` rows after refinement; None when it was not lowered."""
        ...

    def closing(self, number: int) -> None:
        """Note that closing pass `number`, from 1, over all rows is about to begin."""
        ...

    def closed(self, number: int, msd: float) -> None:
        """Note the exact loss of the centers that closing pass `number` was given."""
        ...


class Silent:
    """An observer that does nothing; what inherits from it overrides the methods that it cares about."""

    def facts(self) -> dict[str, Any]:
        """See `Observer`."""
        return {}

    def restore(self, facts: dict[str, Any]) -> None:
        """See `Observer`."""

    def initialized(self, n_rows: int, n_centers: int) -> None:
        """See `Observer`."""

    def stepped(self, batch: MiniBatch) -> None:
        """See `Observer`."""

    def epoch_ended(self, epoch: int) -> None:
        """See `Observer`."""

    def stopped(self) -> None:
        """See `Observer`."""

    def assigning(self, k: int) -> None:
        """See `Observer`."""

    def assigned(self, batch: MiniBatch) -> None:
        """See `Observer`."""

    def epochs_ended_early(self, epochs: int, losses: EpochLosses) -> None:
        """See `Observer`."""

    def reassigned(self, count: int) -> None:
        """See `Observer`."""

    def shrinking(self, n_centers: int, k: int) -> None:
        """See `Observer`."""

    def shrinking_unneeded(self) -> None:
        """See `Observer`."""

    def attempted(self, trial: int, msd: float) -> None:
        """See `Observer`."""

    def shrunk(self, msd: float) -> None:
        """See `Observer`."""

    def refined(self, n_rows: int, msd: float | None) -> None:
        """See `Observer`."""

    def closing(self, number: int) -> None:
        """See `Observer`."""

    def closed(self, number: int, msd: float) -> None:
        """See `Observer`."""
