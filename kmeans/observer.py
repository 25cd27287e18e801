"""What training tells of its progress; the edge turns it into log lines."""

from collections import Counter
from typing import Any

from kmeans.stream.stream import Step


class Observer:
    """Hears of every stage of training and, unless a method is overridden, keeps silent.

    Attributes
    ----------
    events
        How often each policy was applied, by name.
    """

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()

    def facts(self) -> dict[str, Any]:
        """Give what `restore` needs to go on counting, as JSON knows it; an override must hold these."""
        return {"events": dict(self.events)}

    def restore(self, facts: dict[str, Any]) -> None:
        """Go on from `facts` of an earlier run; an override must call this."""
        self.events = Counter(facts["events"])

    def initialized(self, n_rows: int, n_centers: int) -> None:
        """Hear that `n_centers` centers were chosen from `n_rows` rows."""

    def stepped(self, step: Step) -> None:
        """Hear of one mini-batch."""

    def epoch_ended(self, epoch: int) -> None:
        """Hear that epoch number `epoch`, from 0, is over."""

    def stopped(self) -> None:
        """Hear that the stream has ended early."""

    def reassigned(self, count: int) -> None:
        """Hear that the stream has given up centers for far rows, `count` times in all; an override must call this."""
        self.events["reassigned_centers"] += count

    def shrinking(self, n_centers: int, k: int) -> None:
        """Hear that `n_centers` centers are about to be reduced to `k`."""

    def shrinking_unneeded(self) -> None:
        """Hear that the stream has k centers already."""

    def attempted(self, trial: int, msd: float) -> None:
        """Hear of the loss of one trial over the weighted centers."""

    def shrunk(self, msd: float) -> None:
        """Hear of the least loss of all trials."""

    def refined(self, n_rows: int, msd: float | None) -> None:
        """Hear of the loss on the sample of `n_rows` rows after refinement; None when it was not lowered."""

    def closing(self, number: int) -> None:
        """Hear that closing pass `number`, from 1, over all rows is about to begin."""

    def closed(self, number: int, msd: float) -> None:
        """Hear of the exact loss of the centers that closing pass `number` was given."""

    def happened(self, event: str, count: int, message: str) -> None:
        """Count a policy that was applied; an override must call this one."""
        del message
        self.events[event] += count
