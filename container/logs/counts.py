"""What the log counts of rows and mini-batches, in a form that a checkpoint can hold."""

from dataclasses import dataclass
from typing import Any

from kmeans.observer import MiniBatch


@dataclass
class RunningLoss:
    """The loss of the mini-batches since some moment.

    Attributes
    ----------
    rows : float
        What their rows count as.
    inertia : float
        The sum of their inertias.
    """

    rows: float = 0
    inertia: float = 0.0

    def add(self, batch: MiniBatch) -> None:
        """Add a mini-batch."""
        self.rows += batch.count
        self.inertia += batch.inertia

    @property
    def msd(self) -> float:
        """The mean squared distance."""
        return self.inertia / self.rows


@dataclass
class Counts:
    """Rows and mini-batches so far.

    Attributes
    ----------
    rows : int
        Rows over all epochs and hosts.
    steps : int
        Mini-batches over all epochs.
    own_rows : int
        Rows of this host over all epochs.
    epoch_rows : int
        Rows of this host in this epoch.
    epoch_steps : int
        Mini-batches of this epoch.
    initial_rows : int
        Rows that the first centers were chosen from.
    largest_pass : tuple of (int, int)
        Rows of this host, and mini-batches, of the largest epoch.
    """

    rows: int = 0
    steps: int = 0
    own_rows: int = 0
    epoch_rows: int = 0
    epoch_steps: int = 0
    initial_rows: int = 0
    largest_pass: tuple[int, int] = (0, 0)

    def add(self, batch: MiniBatch) -> None:
        """Count a mini-batch."""
        self.rows += batch.rows
        self.steps += 1
        self.own_rows += batch.own_rows
        self.epoch_rows += batch.own_rows
        self.epoch_steps += 1

    def end_epoch(self) -> tuple[int, int]:
        """Start the counts of the next epoch; return rows of this host and mini-batches of the one that is over."""
        this_pass = self.epoch_rows, self.epoch_steps
        self.largest_pass = max(self.largest_pass, this_pass)
        self.epoch_rows = self.epoch_steps = 0
        return this_pass

    # The names in a checkpoint are part of its format.

    def facts(self) -> dict[str, Any]:
        """Return the counts as a checkpoint holds them."""
        return {
            "rows": self.rows,
            "_steps": self.steps,
            "_own_rows": self.own_rows,
            "_epoch_rows": self.epoch_rows,
            "_epoch_steps": self.epoch_steps,
            "_initial_rows": self.initial_rows,
            "_largest_pass": self.largest_pass,
        }

    @classmethod
    def of(cls, facts: dict[str, Any]) -> "Counts":
        """Return the counts that a checkpoint holds."""
        rows, steps = facts["_largest_pass"]
        return cls(
            rows=facts["rows"],
            steps=facts["_steps"],
            own_rows=facts["_own_rows"],
            epoch_rows=facts["_epoch_rows"],
            epoch_steps=facts["_epoch_steps"],
            initial_rows=facts["_initial_rows"],
            largest_pass=(rows, steps),
        )
