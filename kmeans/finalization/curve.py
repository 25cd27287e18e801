"""The loss over k, and indices of validity: which numbers of clusters suit the rows."""

from dataclasses import dataclass, replace

from kmeans.assignment.scoring import Score
from kmeans.finalization.suggestion import Suggestion
from kmeans.finalization.validity import calinski_harabasz


@dataclass(frozen=True)
class Figures:
    """What is known of one k.

    Attributes
    ----------
    k : int
        The number of clusters.
    msd : float
        The mean squared distance of the rows to their centers.
    msd_error : float
        The standard error of `msd`.
    silhouette, davies_bouldin, calinski_harabasz : float
        Indices of validity, see `validity`; infinite if they have no value.
    """

    k: int
    msd: float
    msd_error: float
    silhouette: float
    davies_bouldin: float
    calinski_harabasz: float


@dataclass(frozen=True)
class Curve:
    """Figures of several k.

    Attributes
    ----------
    figures : tuple of Figures
        With k ascending.
    total_msd : float
        The mean squared distance of the rows to the mean of all.
    suggestion : Suggestion or None
        The number of clusters that the rows suggest; None if there is no clear number.
    """

    figures: tuple[Figures, ...]
    total_msd: float
    suggestion: Suggestion | None

    def of(self, k: int) -> Figures | None:
        """Return the figures of one k; None if it was not explored."""
        return next((one for one in self.figures if one.k == k), None)

    def with_score(self, k: int, score: Score) -> "Curve":
        """Return the curve with another score of the model, of k clusters, so that the loss never rises with k."""
        msds = [score.msd if one.k == k else one.msd for one in self.figures]
        ks = [one.k for one in self.figures]
        # Other k are adjusted, outward from that of the model, since its score is known best.
        for place in range(len(ks)):
            if ks[place] > k and place:
                msds[place] = min(msds[place], msds[place - 1])
        for place in reversed(range(len(ks) - 1)):
            if ks[place] < k:
                msds[place] = max(msds[place], msds[place + 1])
        return replace(
            self,
            figures=tuple(
                replace(
                    one,
                    msd=msd,
                    msd_error=score.msd_error if one.k == k else one.msd_error,
                    calinski_harabasz=calinski_harabasz(msd, self.total_msd, score.weight, one.k),
                )
                for one, msd in zip(self.figures, msds, strict=True)
            ),
        )
