"""The outputs that an answer can have for each row, and how they are computed."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from container.artifacts import distances
from container.serving.codecs.codec import Columns
from container.serving.predictor import ModelPredictor
from kmeans.types import DoubleArray, FloatArray

# Name and meaning.
OUTPUTS: Final = {
    "closest_cluster": "index of the closest cluster",
    "distance_to_cluster": "Euclidean distance to it; with distance=cosine, one minus the cosine",
    "distances": "distances to all clusters, in their order",
    "top_clusters": "indices of the closest clusters, the closest first",
    "top_distances": "distances to these",
    "normalized_distance": "distance to the closest cluster over the radius of that cluster",
    "is_anomaly": "1 if that is greater than for all but a given part of the training rows, the contamination",
}
# The outputs of the built-in.
DEFAULT_OUTPUTS: Final = ("closest_cluster", "distance_to_cluster")

# The outputs that follow from the closest cluster alone.
_OF_CLOSEST: Final = {*DEFAULT_OUTPUTS, *distances.OUTPUTS}

# Number of distances, in float64, that are computed at once.
_BLOCK_DISTANCES = 1 << 20


def row_step(predictor: ModelPredictor, outputs: Sequence[str]) -> int:
    """Return the number of rows to answer at once, so that their distances to all clusters fit into a block."""
    return _BLOCK_DISTANCES if _OF_CLOSEST.issuperset(outputs) else max(1, _BLOCK_DISTANCES // predictor.k)


def missing_for(predictor: ModelPredictor, outputs: Sequence[str]) -> str:
    """Return what a model lacks for some outputs; empty if it lacks nothing."""
    asked = next((name for name in outputs if name in distances.OUTPUTS), None)
    if asked is None or predictor.usual is not None:
        return ""
    return (
        f"expected a model with distances in kmeans.json, for {asked}, got one without, of the built-in or an earlier "
        "release"
    )


def answers(
    predictor: ModelPredictor,
    rows: FloatArray | DoubleArray,
    outputs: Sequence[str],
    top_n: int,
    contamination: float | None = None,
) -> Columns:
    """Compute outputs of rows.

    Parameters
    ----------
    predictor : ModelPredictor
        The model, which lacks nothing for these outputs; see `missing_for`.
    rows : ndarray of float32 or float64, shape (n, d)
        Finite rows.
    outputs : sequence of str
        Keys of `OUTPUTS`.
    top_n : int
        Maximum number of clusters in ``top_clusters`` and ``top_distances``; there are no more than k.
    contamination : float or None
        See `Distances.are_anomalies`.

    Returns
    -------
    dict of str to ndarray, shape (n,) or (n, m)
        The outputs by name, in the order of `outputs`; distances beyond the range of float32 are infinite.
    """
    if _OF_CLOSEST.issuperset(outputs):
        labels, nearest = predictor.predict(rows)
        found: Columns = {"closest_cluster": labels, "distance_to_cluster": nearest}
    else:
        squared = predictor.squared_distances(rows)
        # Among equal distances the lowest index comes first, as for the closest cluster.
        order = np.argsort(squared, axis=1, kind="stable")[:, :top_n]
        ordered = predictor.distances(np.take_along_axis(squared, order, axis=1))
        with np.errstate(over="ignore"):
            found = {
                "closest_cluster": order[:, 0],
                "distance_to_cluster": ordered[:, 0].astype(np.float32),
                "distances": predictor.distances(squared).astype(np.float32),
                "top_clusters": order,
                "top_distances": ordered.astype(np.float32),
            }
    if predictor.usual is not None and distances.need_distances(outputs):
        normalized = predictor.usual.normalized(found["closest_cluster"], found["distance_to_cluster"])
        found["normalized_distance"] = normalized
        found["is_anomaly"] = predictor.usual.are_anomalies(normalized, contamination)
    return {name: found[name] for name in outputs}
