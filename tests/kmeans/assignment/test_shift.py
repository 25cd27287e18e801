"""Usual values, and the rows that they are taken of."""

import numpy as np
import pytest

from kmeans.assignment.shift import thinned, usual_values


@pytest.mark.parametrize("n_rows", [0, 1, 299, 300, 301, 1000, 2000, 5000])
def test_rows_are_thinned_at_equal_distances(n_rows: int) -> None:
    rows = np.arange(n_rows, dtype=np.float64)[:, None]
    some = thinned(rows, 300)[:, 0]
    assert len(some) <= 300
    assert len(some) > min(n_rows, 300) / 2 or not n_rows
    assert len(set(np.diff(some).tolist())) <= 1


@pytest.mark.parametrize("fill", [1e20, 9.96921e36, -3.4e38])
@pytest.mark.parametrize("share", [0.002, 0.3, 0.7])
def test_usual_values_are_those_of_rows_without_fill_values(fill: float, share: float) -> None:
    rng = np.random.default_rng(0)
    rows = (2000 + rng.standard_normal((5000, 3))).astype(np.float32)
    rows[rng.random(rows.shape) < share] = fill
    assert (np.abs(usual_values(rows) - 2000) < 3).all()


def test_usual_values_of_few_rows_are_values_of_rows() -> None:
    assert usual_values(np.array([[7.0, -1.0]], np.float32)).tolist() == [7.0, -1.0]
    assert usual_values(np.array([[7.0, 1e30], [5.0, -2.0]], np.float32)).tolist() == [5.0, -2.0]
