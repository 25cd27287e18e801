"""Which features float32 is too coarse for, and the coordinates that hold them apart."""

import numpy as np
import pytest
from numpy.typing import NDArray

from container.precision.coarse_features import ENOUGH_STEPS, coarse_features
from container.precision.coordinates import PLAIN

Doubles = NDArray[np.float64]
LARGEST = float(np.finfo(np.float32).max)
RNG = np.random.default_rng(0)
SECONDS = 1.7e9 + RNG.integers(7200, size=500)


def features(*columns: Doubles) -> list[int]:
    found: list[int] = coarse_features(np.column_stack(columns)).features.tolist()
    return found


@pytest.mark.parametrize(
    ("column", "coarse"),
    [
        (SECONDS, True),
        (-SECONDS, True),
        (SECONDS * 1000, True),
        (SECONDS * 1e-30, True),
        # All of them are one number in float32.
        (1.7e9 + RNG.random(500), True),
        (1.7e9 + RNG.integers(365 * 86400, size=500), False),
        (1.0 + RNG.random(500) * 1e-5, True),
        (RNG.normal(size=500), False),
        (1e6 + RNG.normal(size=500) * 1e4, False),
        # Constant, but for one of them.
        (np.full(500, 1.7e9), False),
        (np.zeros(500), False),
        (np.where(np.arange(500) == 7, 1e9, 7.0), False),
        (np.where(np.arange(500) == 7, 7.1, 7.0), False),
        # Most rows have a fill value, or some a wild one.
        (np.where(RNG.random(500) < 0.7, 0.0, SECONDS), True),
        (np.where(RNG.random(500) < 0.2, LARGEST, SECONDS), True),
        (np.where(RNG.random(500) < 0.9, 1.0, 0.0), False),
        (np.array([LARGEST, -LARGEST] * 250), False),
        (np.array([5e-324, 0.0] * 250), False),
    ],
)
def test_a_feature_is_coarse_where_float32_has_few_steps_among_its_values(column: Doubles, coarse: bool) -> None:
    assert features(column) == [0] * coarse
    assert features(RNG.normal(size=500), column, RNG.normal(size=500)) == [1] * coarse


def test_the_bound_is_a_number_of_steps() -> None:
    step = float(np.spacing(np.float32(1e6)))
    for steps, coarse in ((ENOUGH_STEPS // 2 - 1, True), (ENOUGH_STEPS // 2, False)):
        # The middle half of five values is the two steps between the second and the fourth.
        assert features(1e6 + step * steps * np.arange(-2.0, 3.0)) == [0] * coarse


def test_features_are_looked_at_in_pieces() -> None:
    rows = np.tile(RNG.normal(size=(1000, 1)), 3000)
    rows[:, [0, 1047, 1048, 2999]] += 1e9
    assert coarse_features(rows).features.tolist() == [0, 1047, 1048, 2999]


def test_no_rows_and_one_row_tell_nothing() -> None:
    for n_rows in 0, 1:
        coarse = coarse_features(np.full((n_rows, 3), 1e9))
        assert coarse.coordinates(3) is PLAIN


@pytest.mark.parametrize(("values", "lost"), [(SECONDS, False), (SECONDS.astype(np.float32), True)])
def test_digits_are_lost_where_values_lie_side_by_side_in_float32(values: NDArray[np.floating], lost: bool) -> None:
    coarse = coarse_features(values.astype(np.float64)[:, None])
    assert coarse.lost.tolist() == [lost]
    assert coarse.steps.tolist() == [128]


@pytest.mark.parametrize(
    ("begin", "step", "lost"),
    [
        (1_000_000, 1.0, False),
        # Side by side in float32, but as they are.
        (16_000_000, 1.0, False),
        (-16_000_000, 1.0, False),
        (2**24 - 60, 1.0, False),
        (2**24, 2.0, True),
        (5_000_000, 0.5, True),
    ],
)
def test_whole_numbers_that_float32_has_are_not_lost(begin: float, step: float, lost: bool) -> None:
    coarse = coarse_features(begin + step * RNG.integers(50, size=(500, 1)).astype(np.float64))
    assert coarse.lost.tolist() == [lost]


def test_many_features_are_named_in_few_words() -> None:
    coarse = coarse_features(np.tile(SECONDS[:, None], 9))
    assert coarse.named(~coarse.lost).endswith("feature 4 (steps of 128, half of the values within 3728) and 4 more")
