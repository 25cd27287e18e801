"""How many mini-batches of each host make a step: several where the exchange of sums takes long compared with them.

That depends only on the shape of the job, the number of hosts and the rows so far. So models have the same bytes on
hosts of any kind, and a job can resume on other ones.
"""

import math

from kmeans.settings import TrainingSettings

# A large host on a usual network; hosts that compute longer lose nothing by exchanging less.
CORES = 36
# Operations of a core in a second; those that a row and a feature cost in addition to the products with centers.
OPERATIONS, ROW_OPERATIONS, FEATURE_OPERATIONS = 1e11, 4000, 200
# Seconds of an exchange for each doubling of the hosts; bytes in a second, of a network of 10 Gbit/s and of adding up.
LATENCY, BANDWIDTH = 1e-4, 8e8
# The part of a step that an exchange may take.
MAX_EXCHANGE = 1 / 4
# Mini-batches of a step, at most: the later ones meet centers that are that many mini-batches old.
MAX_BATCHES = 16
# Rows of a step, at most, as a part of those before it that have not decayed: centers move a lot in the beginning.
MAX_GROWTH = 1 / 10


def computing_seconds(n_rows: int, n_centers: int, n_features: int) -> float:
    """Return about how long a core takes to decode, assign and add up some rows."""
    operations = 2 * n_centers * n_features + FEATURE_OPERATIONS * n_features + ROW_OPERATIONS
    return n_rows * operations / OPERATIONS


def exchange_seconds(n_hosts: int, n_centers: int, n_features: int) -> float:
    """Return about how long hosts take to add up the sums of their rows."""
    n_bytes = 8 * n_centers * (n_features + 2)
    return LATENCY * math.log2(n_hosts) + 2 * (n_hosts - 1) / n_hosts * n_bytes / BANDWIDTH


def most_batches(settings: TrainingSettings, n_hosts: int) -> int:
    """Return how many mini-batches of each host make a step once many rows are known."""
    shape = settings.n_centers, settings.n_features
    computing = computing_seconds(settings.batch_size, *shape) / CORES
    wanted = exchange_seconds(n_hosts, *shape) / computing * (1 / MAX_EXCHANGE - 1)
    return max(1, min(MAX_BATCHES, math.ceil(wanted)))


def batches_of_step(settings: TrainingSettings, n_hosts: int, rows_seen: int, weight_seen: float) -> int:
    """Return how many mini-batches of each host make the next step.

    Parameters
    ----------
    settings : TrainingSettings
        Those of the job.
    n_hosts : int
        The number of hosts.
    rows_seen : int
        Rows of all hosts before the step. The step follows these.
    weight_seen : float
        The number of rows that they count as.

    Returns
    -------
    int
        At least 1; the same on all hosts.
    """
    if n_hosts == 1:
        return 1
    known_rows: float = rows_seen
    if settings.half_life and weight_seen > settings.half_life:
        known_rows = settings.half_life * (rows_seen / weight_seen)
    grown = int(known_rows * MAX_GROWTH) // (n_hosts * settings.batch_size)
    return max(1, min(most_batches(settings, n_hosts), grown))
