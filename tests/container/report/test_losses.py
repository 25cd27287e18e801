"""The bounded record of the loss."""

import numpy as np
import pytest

from container.report.losses import MAX_POINTS, Losses


def recorded(rows: list[int], inertias: list[float]) -> Losses:
    losses = Losses()
    for each in zip(rows, inertias, strict=True):
        losses.add(*each)
    return losses


def test_a_few_batches_have_a_point_each() -> None:
    batches, short_term, long_term = recorded([10, 10, 5], [20.0, 10.0, 20.0]).curve()
    assert batches.tolist() == [1, 2, 3]
    assert short_term.tolist() == [2.0, 1.0, 4.0]
    assert long_term.tolist() == [2.0, 1.5, 2.0]


def test_nothing_recorded_is_no_curve() -> None:
    assert [len(column) for column in Losses().curve()] == [0, 0, 0]


@pytest.mark.parametrize("n_batches", [MAX_POINTS, MAX_POINTS + 1, 12_345, 64_000])
def test_many_batches_are_joined_without_losing_a_row(n_batches: int) -> None:
    rng = np.random.default_rng(n_batches)
    rows = rng.integers(1, 100, n_batches)
    inertias = rng.random(n_batches)
    losses = recorded(rows.tolist(), inertias.tolist())
    batches, short_term, long_term = losses.curve()
    assert MAX_POINTS // 2 <= len(batches) <= MAX_POINTS
    starts = np.arange(0, n_batches, losses.stride)
    sums = np.add.reduceat(inertias, starts), np.add.reduceat(rows, starts)
    assert batches.tolist() == [*starts[1:].tolist(), n_batches]
    np.testing.assert_allclose(short_term, sums[0] / sums[1], rtol=1e-12)
    np.testing.assert_allclose(long_term, inertias.cumsum()[batches - 1] / rows.cumsum()[batches - 1], rtol=1e-12)
