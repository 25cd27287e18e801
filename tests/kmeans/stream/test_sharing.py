"""Mini-batches that share one exchange of sums among several hosts."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from kmeans.communicator import Communicator, SingleHost
from kmeans.model import Model
from kmeans.observer import MiniBatch, Silent
from kmeans.settings import TrainingSettings
from kmeans.stream.sharing import MAX_BATCHES, MAX_GROWTH, batches_of_step, most_batches
from kmeans.thread_hosts import run_hosts
from kmeans.threads import Threads
from kmeans.training import fit
from kmeans.types import FloatArray
from tests.kmeans.rows import Rows, settings_for


def shape(n_features: int, n_centers: int, batch_size: int = 5000, half_life: int = 0) -> TrainingSettings:
    rows = np.empty((0, n_features), np.float32)
    return settings_for(rows, n_centers // 10, batch_size=batch_size, half_life=half_life)


def test_a_single_host_has_nothing_to_share() -> None:
    assert batches_of_step(shape(784, 1000), 1, 10**9, 1e9) == 1


@pytest.mark.parametrize("n_hosts", [2, 16, 64])
def test_the_more_an_exchange_costs_beside_a_mini_batch_the_more_share_it(n_hosts: int) -> None:
    usual = most_batches(shape(784, 1000, batch_size=20_000), n_hosts)
    assert 1 < usual < MAX_BATCHES
    assert most_batches(shape(784, 1000, batch_size=20_000), 2 * n_hosts) >= usual
    # Twice the rows take twice as long.
    assert most_batches(shape(784, 1000, batch_size=40_000), n_hosts) == pytest.approx(usual / 2, abs=1)
    assert most_batches(shape(784, 1000, batch_size=400_000), n_hosts) == 1
    assert most_batches(shape(784, 1000, batch_size=10), n_hosts) == MAX_BATCHES


@pytest.mark.parametrize("n_hosts", [2, 5, 64])
@pytest.mark.parametrize("half_life", [0, 10_000, 10**7])
@pytest.mark.parametrize("weight", [1, 3])
def test_a_step_is_a_small_part_of_the_rows_before_it(n_hosts: int, half_life: int, weight: int) -> None:
    # Rows of weight 3 decay as three rows each.
    chosen = shape(50, 1000, half_life=weight * half_life)
    rows_seen, counts = 0, []
    while rows_seen < 300 * n_hosts * chosen.batch_size:
        counts.append(batches_of_step(chosen, n_hosts, rows_seen, float(weight * rows_seen)))
        step_rows = counts[-1] * n_hosts * chosen.batch_size
        known = min(rows_seen, half_life or rows_seen)
        assert counts[-1] == 1 or step_rows <= MAX_GROWTH * known
        rows_seen += step_rows
    assert counts[: round(1 / MAX_GROWTH)] == [1] * round(1 / MAX_GROWTH)
    assert counts == sorted(counts)
    assert (counts[-1] == 1) == (half_life == 10_000)


class Steps(Silent):
    def __init__(self) -> None:
        self.rows: list[int] = []

    def stepped(self, batch: MiniBatch) -> None:
        self.rows.append(batch.rows)


@pytest.fixture(scope="module")
def digits() -> FloatArray:
    rows = np.ascontiguousarray(load_digits().data, np.float32)
    return rows[np.random.default_rng(0).permutation(len(rows))]


def train(rows: FloatArray, n_hosts: int, chosen: TrainingSettings) -> tuple[Model, list[int]]:
    def run(hosts: Communicator) -> tuple[Model, list[int]]:
        steps = Steps()
        own = Rows(np.ascontiguousarray(rows[hosts.rank :: n_hosts]), chosen.batch_size)
        return fit(own, chosen, hosts, Threads(), steps), steps.rows

    return run(SingleHost()) if n_hosts == 1 else run_hosts(n_hosts, run)[0]


@pytest.fixture(scope="module")
def alone(digits: FloatArray) -> Model:
    return train(digits, 1, settings_for(digits, 10, batch_size=5, epochs=2))[0]


@pytest.mark.parametrize("n_hosts", [2, 3, 5, 16])
def test_hosts_that_share_exchanges_reach_the_msd_of_one_host(digits: FloatArray, alone: Model, n_hosts: int) -> None:
    chosen = settings_for(digits, 10, batch_size=5, epochs=2)
    model, steps = train(digits, n_hosts, chosen)
    whole = 5 * n_hosts
    assert sum(steps) == 2 * len(digits)
    assert steps[:10] == [whole] * 10
    assert max(steps) > whole
    assert len(steps) < sum(steps) / whole
    assert model.score.msd <= alone.score.msd * 1.002
