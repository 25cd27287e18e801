"""What one step of the stream decides and finds, over all hosts."""

import math
from dataclasses import dataclass, field

from kmeans.stream.reassignment import Reassignment


@dataclass(frozen=True)
class StepFlags:
    """What a host reports after a mini-batch, or what all hosts agree on.

    All agree that the epoch has ended when it has on every host; one host is enough to stop or to save; the bound is
    the least of all.

    Attributes
    ----------
    ended : bool
        There are no further rows in this epoch.
    stopping : bool
        The stream is to end early.
    saving : bool
        The state is to be saved.
    bound : float
        Of the sample; see `kmeans.stream.reservoir.Reservoir`.
    """

    ended: bool = False
    stopping: bool = False
    saving: bool = False
    bound: float = -math.inf


NO_FLAGS = StepFlags()


@dataclass
class Step:
    """What one step found.

    Attributes
    ----------
    rows : int
        Rows of the step, over all hosts.
    inertia : float
        Sum of their squared distances to the centers as they were before the step, times their weights.
    weight : float
        The sum of their weights; their number where they have none.
    own_rows : int
        The rows that came from this host.
    reassignments : list of Reassignment
        Centers that were reassigned to far rows.
    flags : StepFlags
        What all hosts agree on.
    """

    rows: int
    inertia: float
    weight: float
    own_rows: int = 0
    reassignments: list[Reassignment] = field(default_factory=list)
    flags: StepFlags = field(default_factory=StepFlags)
