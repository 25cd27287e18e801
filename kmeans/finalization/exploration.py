"""Models of other k than that of the model: one stream shows what more clusters bring, and fewer cost.

All begin with the model: a chain of splits leads to larger k, one of mergers to smaller ones (`chain`). They are fitted
to few points, drawn well, and scored on many. Centers that were fitted to m points lose about
``sum(variance of each cluster) / m`` to the noise of their means, on rows that are not among these points, and seem to
gain as much on those that are (see `closing`). That is taken off, so that all figures are those of centers fitted to
all rows.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kmeans.assignment.pieces import pieces_of
from kmeans.assignment.scoring import Score
from kmeans.finalization.chain import chain
from kmeans.finalization.coreset import coreset, reduced
from kmeans.finalization.curve import Curve, Figures
from kmeans.finalization.lloyd import Clustering, StopRule, evaluate, lloyd
from kmeans.finalization.resources import Resources
from kmeans.finalization.split_merge import work_of_a_point
from kmeans.finalization.suggestion import Suggestion, suggest
from kmeans.finalization.validity import calinski_harabasz, davies_bouldin, separated_share, simplified_silhouette
from kmeans.state import State
from kmeans.types import DoubleArray, LabelArray

# Numbers of clusters that are looked at: fewer where they take long.
MAX_KS = 30
MIN_KS = 5
# What fitting may take, and scoring, in products of a point, a center and a feature; see `split_merge.SearchLimits`.
FITTING_WORK = 5e9
SCORING_WORK = 1.5e9
# The most that fitting takes with few k: this, or this part of the stream's work.
MAX_FITTING_WORK = 4e10
SHARE_OF_STREAM = 0.1
# Points that centers are fitted to, and those that they are scored on; fewer where that takes too much work.
MAX_FITTED = 5_000
MAX_SCORED = 20_000
# But some, and some for each cluster.
MIN_POINTS = 500
MIN_POINTS_OF_A_CLUSTER = 20
# Times as many to score centers on, so that half of them are not among those that the centers were fitted to.
SCORED = 2
# Lloyd's iterations for each k: usually, and where there are few k.
MIN_ITERATIONS = 12
USUAL_ITERATIONS = 24
MAX_ITERATIONS = 60
# An iteration of more work is divided among the threads; else each chain has a thread of its own.
DIVIDED_WORK = 2e8
# The factor by which the largest k is lowered until fitting takes no longer than allowed.
LOWERED = 0.9


def ks_to_explore(k: int, n_centers: int, n_features: int, streamed: float = 0.0) -> list[int]:
    """Return the numbers of clusters to look at: from 2 to 2 k, or to K if that is less, and k itself.

    All of them while they are few, else `MAX_KS` or so in equal ratios. There are fewer where fitting that many takes
    long; where fitting even `MIN_KS` takes too long, the largest k is lowered.

    Parameters
    ----------
    k, n_centers, n_features : int
        Of the model, the stream and the rows.
    streamed : float
        The work of the stream, in products of a row, a center and a feature.

    Returns
    -------
    list of int
        In ascending order.
    """
    last = min(2 * k, n_centers)
    most = max(MAX_FITTING_WORK, SHARE_OF_STREAM * streamed)
    while last > MIN_KS and _least_work(last, n_features) > most:
        last = int(LOWERED * last)
    work = USUAL_ITERATIONS * _min_points(last) * work_of_a_point(last, n_features) / 2
    n_ks = max(MIN_KS, min(MAX_KS, int(FITTING_WORK / work)))
    return sorted({*_ratios(last, n_ks), k})


def _ratios(last: int, n_ks: int) -> list[int]:
    """Return numbers from 2 to `last`: all of them if there are no more than `n_ks`, else so many in equal ratios."""
    if last - 1 <= n_ks:
        return list(range(2, last + 1))
    return sorted({round(k) for k in np.geomspace(2, last, n_ks).tolist()})


def _least_work(last: int, n_features: int) -> float:
    work = sum(work_of_a_point(k, n_features) for k in _ratios(last, MIN_KS))
    return MIN_ITERATIONS * _min_points(last) * work


def _min_points(k: int) -> int:
    return max(MIN_POINTS, MIN_POINTS_OF_A_CLUSTER * k)


def explore(
    state: State,
    centers: DoubleArray,
    score: Score,
    ks: Sequence[int],
    seeds: np.random.SeedSequence,
    resources: Resources,
) -> Curve:
    """Estimate the loss of models of several k, and how valid their clusters are.

    Parameters
    ----------
    state : State
        What the stream has left.
    centers : ndarray of float64, shape (k, d)
        The model.
    score : Score
        Of the model.
    ks : sequence of int
        Numbers of clusters, k among them; those larger than the number of centers with weight are omitted.
    seeds : numpy.random.SeedSequence
        The source of chance.
    resources : Resources
        The threads and the hosts, of which the leader does the work, since one k needs the result of another. Once the
        deadline has passed, the numbers that are not done yet are omitted, except k.

    Returns
    -------
    Curve
        The same on every host.
    """
    communicator = resources.communicator
    table: DoubleArray = np.empty((0, 6))
    # The variance of the rows, and the suggestion.
    about: DoubleArray = np.zeros(4)
    if communicator.rank == 0:
        found = _Exploration(state.live(), centers, score, ks, seeds, resources).curve()
        table = np.array([_row(one) for one in found.figures]).reshape(-1, 6)
        about[0] = found.total_msd
        if found.suggestion:
            about[1:] = found.suggestion.k, found.suggestion.low, found.suggestion.high
    communicator.broadcast(about)
    figures = tuple(Figures(int(k), *rest) for k, *rest in communicator.gather_rows(table).tolist())
    suggestion = Suggestion(*(int(k) for k in about[1:])) if about[1] else None
    return Curve(figures, float(about[0]), suggestion).with_score(len(centers), score)


def _row(one: Figures) -> tuple[float, ...]:
    return (one.k, one.msd, one.msd_error, one.silhouette, one.davies_bouldin, one.calinski_harabasz)


class _Exploration:
    """What is found of several k.

    Parameters
    ----------
    state : State
        As for `explore`, with no center without weight.
    centers : ndarray of float64, shape (k, d)
        As for `explore`.
    score : Score
        As for `explore`.
    ks : list of int
        As for `explore`.
    seeds : numpy.random.SeedSequence
        As for `explore`.
    resources : Resources
        As for `explore`.
    """

    def __init__(
        self,
        state: State,
        centers: DoubleArray,
        score: Score,
        ks: Sequence[int],
        seeds: np.random.SeedSequence,
        resources: Resources,
    ) -> None:
        self._score, self._resources = score, resources
        self._engine, self._stopping = resources.engine, resources.deadline.passed
        self._k, n_features = centers.shape
        self._ks = [k for k in ks if k <= len(state.centers) or k == self._k]
        for_points, *self._seeds = seeds.spawn(5)
        rng = np.random.default_rng(for_points)
        others = [k for k in self._ks if k != self._k] or self._ks
        work = sum(work_of_a_point(k, n_features) for k in self._ks)
        least = _min_points(others[-1])
        n_scored = max(SCORED * least, min(MAX_SCORED, int(SCORING_WORK / work)))
        n_fitted = max(least, min(MAX_FITTED, int(FITTING_WORK / (MAX_ITERATIONS * work))))
        everything = coreset(state)
        self._scored = reduced(everything, evaluate(everything, centers, self._engine), n_scored, rng)
        self._fitted = reduced(self._scored, evaluate(self._scored, centers, self._engine), n_fitted, rng)
        affordable = int(FITTING_WORK / (len(self._fitted) * work))
        self._iterations = max(MIN_ITERATIONS, min(MAX_ITERATIONS, affordable))
        self._divided = len(self._fitted) * work_of_a_point(others[-1], n_features) >= DIVIDED_WORK
        # That of one k; all k of a chain are done by one thread, if an iteration is not divided.
        self._engine_of_one = self._engine if self._divided else self._engine.on_one_thread()
        self._model = evaluate(self._fitted, centers, self._engine)
        self._total_msd = self._variance()
        self._by_k: dict[int, Clustering] = {}
        self._figures: dict[int, Figures] = {}

    def curve(self) -> Curve:
        """Explore all k, and then those next to the one that is suggested."""
        start = lloyd(self._fitted, self._model.centers, StopRule(self._iterations), self._engine)
        self._figures[self._k] = self._figures_of(self._k, self._model)
        self._explore(start, self._ks, self._seeds[:2])
        suggestion = self._suggestion()
        if suggestion is not None:
            ks = sorted(self._figures)
            place = ks.index(suggestion.k)
            between = set(range(ks[max(0, place - 1)], ks[place + 1])) - set(ks)
            if between:
                start = self._by_k.get(suggestion.k, start)
                self._explore(start, sorted(between), self._seeds[2:])
                suggestion = self._suggestion()
        return Curve(tuple(self._figures[k] for k in sorted(self._figures)), self._total_msd, suggestion)

    def _explore(self, start: Clustering, ks: Sequence[int], seeds: Sequence[np.random.SeedSequence]) -> None:
        """Add clusterings of larger and of smaller k than that of `start`, and their figures."""
        k, resources = len(start.centers), replace(self._resources, engine=self._engine_of_one)
        ways = [[one for one in ks if one > k], [one for one in reversed(ks) if one < k]]

        def go(way: tuple[list[int], np.random.SeedSequence]) -> dict[int, Clustering]:
            rng = np.random.default_rng(way[1])
            return chain(self._fitted, start, way[0], self._iterations, rng, resources)

        def judge(item: tuple[int, Clustering]) -> Figures | None:
            return None if self._stopping() else self._figures_of(*item)

        each = map if self._divided else self._engine.threads.map
        explored = [item for found in each(go, zip(ways, seeds, strict=True)) for item in found.items()]
        for (one, clustering), figures in zip(explored, each(judge, explored), strict=True):
            if figures is not None:
                self._by_k[one], self._figures[one] = clustering, figures

    def _variance(self) -> float:
        """Return the mean squared distance of the points scored to their mean."""
        points = self._scored
        shares = points.weights / points.weights.sum()
        pieces = pieces_of(*points.shape)
        mean = sum((shares[piece] @ points.values[piece].astype(np.float64) for piece in pieces), np.zeros(()))
        (placed,) = self._engine.placed(mean[None])
        return float(sum(shares[piece] @ ((points.values[piece] - placed) ** 2).sum(axis=1) for piece in pieces))

    def _figures_of(self, k: int, clustering: Clustering) -> Figures:
        known = self._score.msd, self._score.msd_error
        msd, error = known if k == self._k else self._loss(clustering)
        clusters = self._fitted, self._engine.placed(clustering.centers), clustering.labels
        return Figures(
            k=k,
            msd=msd,
            msd_error=error,
            silhouette=simplified_silhouette(*clusters),
            davies_bouldin=davies_bouldin(*clusters),
            calinski_harabasz=calinski_harabasz(msd, self._total_msd, self._score.weight, k),
        )

    def _loss(self, fitted: Clustering) -> tuple[float, float]:
        """Return what the loss would be of such centers that were fitted to all rows, and its standard error."""
        k, n_rows = len(fitted.centers), max(1, self._score.rows)
        scored = evaluate(self._scored, fitted.centers, self._engine_of_one)
        # Those of rows, whatever they have decayed to.
        weights = self._scored.weights * (n_rows / self._scored.weights.sum())
        sizes = np.bincount(scored.labels, weights, minlength=k)
        losses = np.bincount(scored.labels, weights * scored.squared_distances, minlength=k)
        n_fitted = _effective_sizes(fitted.labels, self._fitted.weights, k)
        n_scored = _effective_sizes(scored.labels, weights, k)
        # The points fitted are a part of those scored, and these of all rows.
        several = (n_fitted > 1.0) & (n_scored > 1.0)
        noise = losses[several] * (1 / sizes[several] + 1 / n_fitted[several] - 2 / n_scored[several])
        excess = float(noise.sum()) / n_rows
        # A point that weighs as much as a row stands for itself alone.
        means = np.divide(losses, sizes, out=np.zeros(k), where=sizes > 0.0)
        residuals = scored.squared_distances - means[scored.labels]
        variance = float((weights * np.maximum(weights - 1.0, 0.0)) @ residuals**2) / n_rows**2
        if self._score.weight != n_rows and len(self._scored) == n_rows:
            # All rows are there, and weigh what they weigh.
            variance = 0.0
        return max(0.0, scored.msd - excess), math.hypot(math.sqrt(variance), 0.5 * excess)

    def _suggestion(self) -> Suggestion | None:
        def separated(k: int) -> float:
            clustering = self._model if k == self._k else self._by_k[k]
            return separated_share(self._fitted, self._engine.placed(clustering.centers), clustering.labels)

        indices = {k: one.calinski_harabasz for k, one in self._figures.items() if k > 1}
        return suggest(indices, separated)


def _effective_sizes(labels: LabelArray, weights: DoubleArray, k: int) -> DoubleArray:
    """Return how many points of equal weights would say as much of each cluster (Kish 1965), float64 (k,)."""
    sums = np.bincount(labels, weights, minlength=k)
    squares = np.bincount(labels, weights**2, minlength=k)
    return np.divide(sums**2, squares, out=np.zeros(k), where=squares > 0.0)
