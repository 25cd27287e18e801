"""The loss of the stream epoch by epoch, which shows whether another epoch would pay."""

from dataclasses import dataclass


@dataclass
class EpochLosses:
    """The loss of the stream in the current epoch, and in the two before: sums over all hosts, in the order of steps.

    The distance of a row is that to the centers as they were before the row moved them.

    Attributes
    ----------
    rows : float
        What the rows of this epoch count as: the sum of their weights, or their number.
    inertia : float
        The sum of their squared distances, times their weights.
    latest : float or None
        The mean squared distance of the latest epoch that is over; None before.
    before : float or None
        That of the epoch before it.
    """

    rows: float = 0
    inertia: float = 0.0
    latest: float | None = None
    before: float | None = None

    def add(self, rows: float, inertia: float) -> None:
        """Add a step whose rows count as `rows`."""
        self.rows += rows
        self.inertia += inertia

    def end_epoch(self) -> None:
        """Begin the sums of the next epoch; one without rows does not count."""
        if self.rows:
            self.before, self.latest = self.latest, self.inertia / self.rows
        self.rows, self.inertia = 0, 0.0

    def levelled_off(self, tolerance: float) -> bool:
        """Return whether the latest epoch has lowered the loss by no more than this part of it; never if that is 0."""
        if not tolerance or self.latest is None or self.before is None:
            return False
        return self.latest >= (1.0 - tolerance) * self.before
