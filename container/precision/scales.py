"""Standard deviations of the features, by which rows are standardized, and features that outweigh all others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from container.naming import feature_name
from container.precision.coordinates import Coordinates
from kmeans.assignment.shift import thinned, usual_values
from kmeans.types import BoolArray, DoubleArray

if TYPE_CHECKING:
    from kmeans.communicator import Communicator
    from kmeans.sample import Sample

# Numbers in a column-wise piece of the rows, and in a piece that stays in the cache of a core.
_PIECE_NUMBERS: Final = 1 << 20
_CACHED_NUMBERS: Final = 1 << 15
# Rows by which a point near most rows is found.
_SHIFT_ROWS: Final = 100
# A feature with more than this share of the variance of all features determines the clusters almost by itself.
DOMINANT_SHARE: Final = 0.9


@dataclass(frozen=True)
class Moments:
    """The means and variances of features.

    Attributes
    ----------
    n_rows : int
        The number of rows that they were computed from.
    means : ndarray of float64, shape (d,)
        The means.
    variances : ndarray of float64, shape (d,)
        The variances, of which n_rows is the divisor.
    """

    n_rows: int
    means: DoubleArray
    variances: DoubleArray

    @property
    def constant(self) -> BoolArray:
        """Whether each feature is constant up to rounding, by the rule of scikit-learn's StandardScaler."""
        rounding = self.n_rows * np.finfo(np.float64).eps
        is_constant: BoolArray = self.variances <= rounding * self.variances + np.square(rounding * self.means)
        return is_constant

    def coordinates(self) -> Coordinates:
        """Return coordinates in which every feature has mean 0 and deviation 1, or 0 if it is constant."""
        return Coordinates(self.means, np.where(self.constant, 1.0, np.sqrt(self.variances)))


def moments_of(
    rows: DoubleArray, n_represented: int, communicator: "Communicator", weights: DoubleArray | None = None
) -> Moments:
    """Return the means and variances of the features over all hosts.

    Parameters
    ----------
    rows : ndarray of float64, shape (n, d)
        Some of this host's rows; there may be none.
    n_represented : int
        The number of rows of this host that they stand for.
    communicator : Communicator
        The hosts, which all call this together.
    weights : ndarray of float64, shape (n,), or None
        The weights of the rows, more than 0; None where each counts once.

    Returns
    -------
    Moments
        The same on every host; zeros if no host has a row.
    """
    n_rows, n_features = rows.shape
    own = np.zeros((1, 2 + 2 * n_features))
    own[0, :2] = n_rows, (n_represented if n_rows else 0) * (1.0 if weights is None or not n_rows else weights.mean())
    means, variances = own[0, 2 : 2 + n_features], own[0, 2 + n_features :]
    step = max(1, _PIECE_NUMBERS // max(1, n_rows))
    for begin in range(0, n_features if n_rows else 0, step):
        part = slice(begin, begin + step)
        # Two passes, so that no digits are lost where the mean is large.
        means[part] = np.average(rows[:, part], axis=0, weights=weights)
        differences = rows[:, part] - means[part]
        variances[part] = np.average(np.square(differences, out=differences), axis=0, weights=weights)
    everyones = communicator.gather_rows(own)
    everyones = everyones[everyones[:, 0] > 0.0]
    return _together(everyones) if len(everyones) else Moments(0, means, variances)


def _together(everyones: DoubleArray) -> Moments:
    """Combine the moments of all hosts (Chan et al. 1983).

    Those of a host are the number of its rows, the weight of those that they stand for, means and variances.
    """
    weights = everyones[:, 1:2] / everyones[:, 1].sum()
    means, variances = np.split(everyones[:, 2:], 2, axis=1)
    # Relative to the first ones, so that those of a single host stay as they are.
    mean = means[0] + (weights * (means - means[0])).sum(axis=0)
    variance = (weights * (variances + np.square(means - mean))).sum(axis=0)
    return Moments(int(everyones[:, 0].sum()), mean, variance)


def dominance(sample: "Sample", names: Sequence[str] = ()) -> str | None:
    """Return a warning that one feature outweighs all others in distances, or None.

    Parameters
    ----------
    sample : Sample
        Rows of the training data.
    names : sequence of str
        The names of the features; empty if they have none.

    Returns
    -------
    str or None
        The warning, if a feature has more than `DOMINANT_SHARE` of the variance.
    """
    found = dominant_feature(sample)
    if found is None:
        return None
    feature, share = found
    # Not 100 %, since other features vary too.
    percent = min(99.9, round(100 * share, 1))
    return (
        f"One feature outweighs all others: {feature_name(feature, names)} has {percent:g} % of the variance of all "
        "features. If they are in different units, train with standardize=true."
    )


def dominant_feature(sample: "Sample") -> tuple[int, float] | None:
    """Return the feature that outweighs all others that vary, if there is one.

    Parameters
    ----------
    sample : Sample
        Rows of the training data.

    Returns
    -------
    feature : int
        Its number, from 0.
    share : float
        Its share of the variance of all features, more than `DOMINANT_SHARE`.
    """
    if not sample.weights.any():
        return None
    variances = _variances(sample)
    total, largest = variances.sum(), int(variances.argmax())
    if np.count_nonzero(variances) <= 1 or variances[largest] <= DOMINANT_SHARE * total:
        return None
    return largest, float(variances[largest] / total)


def _variances(sample: "Sample") -> DoubleArray:
    """Return the variances of the features, in one pass over the rows; exactly 0 for constant ones."""
    n_rows, n_features = sample.rows.shape
    # Near most rows, so that few digits are lost, and equal to constant features.
    shift = usual_values(thinned(sample.rows, _SHIFT_ROWS)).astype(np.float64)
    weights = sample.weights / sample.weights.sum()
    sums, squares = np.zeros(n_features), np.zeros(n_features)
    # Few rows at a time, which stay in the cache of a core.
    step = max(1, _CACHED_NUMBERS // n_features)
    for begin in range(0, n_rows, step):
        part = slice(begin, begin + step)
        differences = sample.rows[part] - shift
        sums += weights[part] @ differences
        squares += weights[part] @ np.square(differences, out=differences)
    return np.maximum(squares - np.square(sums), 0.0)
