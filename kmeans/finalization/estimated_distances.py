"""How far the rows of a stream are from the centers of a model, estimated from its sample."""

import numpy as np

from kmeans.assignment.engine import Engine
from kmeans.assignment.scoring import Score
from kmeans.distribution import DistanceDistribution, WeightedDistances
from kmeans.finalization.coreset import coreset
from kmeans.state import State
from kmeans.types import FloatArray


def estimated_distribution(state: State, centers: FloatArray, score: Score, engine: Engine) -> DistanceDistribution:
    """Return the distribution of the distances of the rows of a stream.

    Parameters
    ----------
    state : State
        What the stream has left; its sample has rows.
    centers : ndarray of float32, shape (k, d)
        The model.
    score : Score
        The score of the model.
    engine : Engine
        What computes.

    Returns
    -------
    DistanceDistribution
        Exact if the sample holds all rows. Otherwise each row of the sample weighs as much as the rows of the stream
        that it stands for.
    """
    points = coreset(state, moved=False)
    labels, squared_distances = engine.assigner(centers.astype(np.float64)).assign(points.values)
    order = np.argsort(squared_distances)
    # Small numbers are sorted in linear time.
    few = labels.astype(np.uint16) if len(centers) <= 1 << 16 else labels
    order = order[np.argsort(few[order], kind="stable")]
    order = order[points.weights[order] > 0.0]
    found = WeightedDistances(labels[order], squared_distances[order], points.weights[order])
    return DistanceDistribution.of(found, score, exact=state.sample.complete)
