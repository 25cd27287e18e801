"""The result of training."""

from dataclasses import dataclass, field, replace

from kmeans.assignment.scoring import Score
from kmeans.finalization.curve import Curve
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
    curve : Curve
        The loss and indices of validity of this k, and estimates for other k.
    events : dict of str to int
        How often each policy was applied, by name.
    epochs : int
        Epochs that have begun: how often each row may count in the weights of the state.
    """

    centers: FloatArray
    rows: int
    stopped: bool
    score: Score
    state: State
    curve: Curve
    events: dict[str, int] = field(default_factory=dict)
    epochs: int = 1

    @property
    def score_is_exact(self) -> bool:
        """Whether the score was computed from all rows."""
        return self.score.is_exact

    @property
    def msd_by_k(self) -> dict[int, float]:
        """The mean squared distance of rows to their centers, by k."""
        return {one.k: one.msd for one in self.curve.figures}

    def rescored(self, score: Score) -> "Model":
        """Return the same model with another score."""
        return replace(self, score=score, curve=self.curve.with_score(len(self.centers), score))
