"""The loss over k."""

import numpy as np
import pytest

from kmeans.communicator import SingleHost
from kmeans.finalization.curve import MAX_POINTS, curve_ks, msd_by_k
from kmeans.threads import Threads
from tests.kmeans.finalization.test_refinement import state_of
from tests.kmeans.rows import blobs


@pytest.mark.parametrize(
    ("k", "n_centers", "expected"),
    [(2, 20, [2, 3, 4]), (4, 4, [2, 3, 4]), (4, 6, [2, 3, 4, 5, 6])],
)
def test_every_k_is_looked_at_while_they_are_few(k: int, n_centers: int, expected: list[int]) -> None:
    assert curve_ks(k, n_centers, 10) == expected


def test_many_are_spread_out_and_k_is_among_them() -> None:
    ks = curve_ks(517, 2000, 4)
    assert len(ks) <= MAX_POINTS + 1
    assert (ks[0], ks[-1]) == (2, 2 * 517)
    assert 517 in ks
    assert ks == sorted(set(ks))


def test_wide_rows_get_fewer_points() -> None:
    ks = curve_ks(10, 100, 100_000)
    assert 5 <= len(ks) <= 6
    assert (ks[0], ks[-1]) == (2, 20)
    assert 10 in ks


def test_the_elbow_is_at_the_number_of_blobs() -> None:
    state = state_of(blobs(30_000, 4, 6, 9), 60, 8_000)
    losses = msd_by_k(state, state.centers[:6], list(range(2, 12)), np.random.SeedSequence(0), Threads(), SingleHost())
    falls = {k: losses[k - 1] / losses[k] for k in range(3, 12)}
    assert max(falls, key=lambda k: falls[k]) <= 6
    assert all(falls[k] < 1.1 for k in range(7, 12))
    assert losses[6] == pytest.approx(4.0, rel=0.1)


def test_a_k_beyond_the_centers_is_left_out() -> None:
    state = state_of(blobs(100, 2, 3, 0), 5, 100)
    losses = msd_by_k(state, state.centers, [2, 5, 6, 7], np.random.SeedSequence(0), Threads(), SingleHost())
    assert list(losses) == [2, 5]
