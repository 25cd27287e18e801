"""What the surroundings ask of a run."""

from collections.abc import Callable
from dataclasses import dataclass

from kmeans.communicator import nothing
from kmeans.stream.snapshot import RunSnapshot


@dataclass(frozen=True)
class Control:
    """Questions that a run asks at every border of a mini-batch, and `hurrying` at any time.

    Attributes
    ----------
    stopping : callable
        Returns whether to end the stream early, once it has k rows; the model is then made of the rows seen.
    hurrying : callable
        Returns whether to end it at once, and to be content with the best model so far. Called in any thread.
    saving : callable
        Returns whether it is time to save a snapshot.
    save : callable
        Saves one; also called at the end of every epoch. The arrays of the snapshot are valid until it returns.
    """

    stopping: Callable[[], bool] = nothing
    hurrying: Callable[[], bool] = nothing
    saving: Callable[[], bool] = nothing
    save: Callable[[RunSnapshot], None] = lambda _: None
