"""The table of the quantiles of distances, cluster by cluster."""

import numpy as np

from container.report import profile
from container.report.facts import Facts
from container.report.formatting import number
from kmeans.distribution import QUANTILES

# The columns of the table, after that of the cluster.
NAMES = tuple(f"{100 * part:g} %" for part in QUANTILES)
# Clusters in the table.
MAX_LISTED = 200


def table(facts: Facts) -> list[list[str]]:
    """Return the cells for the largest clusters, the largest first; none if the distances are not known."""
    found = facts.model.distances
    if found is None:
        return []
    distances = facts.coordinates.distances(found.squared_quantiles)
    listed = profile.largest(facts.model.score.cluster_sizes, facts.model.centers.shape[1], MAX_LISTED)
    return [
        [
            number(int(cluster)),
            *("none" if np.isnan(value) else number(float(value)) for value in distances[:, cluster]),
        ]
        for cluster in listed
    ]
