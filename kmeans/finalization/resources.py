"""What finalization works with: the threads of this host, the other hosts of the job, and the time that is left."""

from dataclasses import dataclass, field

from kmeans.assignment.engine import Engine
from kmeans.communicator import Communicator, SingleHost
from kmeans.events import Events
from kmeans.finalization.deadline import NEVER, Deadline


@dataclass(frozen=True)
class Resources:
    """What the search for a model may use.

    Attributes
    ----------
    engine : Engine
        What computes on this host.
    communicator : Communicator
        The hosts, which divide the work; all of them call the same functions in the same order.
    deadline : Deadline
        When to make do with the best model found so far.
    events : Events
        Counts the policies that are applied.
    """

    engine: Engine
    communicator: Communicator = field(default_factory=SingleHost)
    deadline: Deadline = NEVER
    events: Events = field(default_factory=Events)

    def late(self) -> bool:
        """Return whether the deadline has passed on any host: the same on all of them, which call this together."""
        return self.deadline.agreed(self.communicator)
