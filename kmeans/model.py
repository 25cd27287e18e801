"""The result of training."""

from dataclasses import dataclass, field, replace

from kmeans.assignment.scoring import Score
from kmeans.state import State
from kmeans.types import FloatArray


@dataclass
class Model:
    """k centers, and what is known of how they fit the rows.

    Attributes
    ----------
    centers : ndarray of float32, shape (k, d)
        The centers.
    rows : int
        Rows of the last epoch, or of its part until the stream was stopped.
    stopped : bool
        Whether it was.
    score : Score
        Of these rows; estimated unless the sample holds all of them or closing passes have read them.
    state : State
        What the stream has left; a model of another k can be made of it.
    msd_by_k : dict of int to float
        Estimates of the msd for other k, by k.
    events : dict of str to int
        How often each policy was applied, by name.
    """

    centers: FloatArray
    rows: int
    stopped: bool
    score: Score
    state: State
    msd_by_k: dict[int, float]
    events: dict[str, int] = field(default_factory=dict)

    @property
    def score_is_exact(self) -> bool:
        """Whether the score was computed from all rows."""
        return self.score.is_exact

    def rescored(self, score: Score) -> "Model":
        """Return the same model with another score."""
        msds = {**self.msd_by_k, len(self.centers): score.msd}
        return replace(self, score=score, msd_by_k=msds)
