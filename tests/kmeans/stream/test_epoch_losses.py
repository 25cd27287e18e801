"""When another epoch would not pay."""

import pytest

from kmeans.stream.epoch_losses import EpochLosses


def losses_of(*msds: float) -> EpochLosses:
    losses = EpochLosses()
    for msd in msds:
        losses.add(3, msd)
        losses.add(1, 3.0 * msd)
        losses.end_epoch()
    return losses


@pytest.mark.parametrize(
    ("msds", "tolerance", "expected"),
    [
        ((), 0.5, False),
        ((8.0,), 1.0, False),
        ((8.0, 7.0), 0.0, False),
        ((8.0, 8.0), 0.0, False),
        ((8.0, 7.0), 0.125, True),
        ((8.0, 7.0), 0.12, False),
        ((8.0, 7.0, 3.0), 0.125, False),
        ((8.0, 3.0, 3.1), 0.001, True),
        ((0.0, 0.0), 0.001, True),
    ],
)
def test_the_latest_two_epochs_decide(msds: tuple[float, ...], tolerance: float, expected: bool) -> None:
    assert losses_of(*msds).levelled_off(tolerance) is expected


def test_an_epoch_without_rows_does_not_count() -> None:
    losses = losses_of(8.0, 4.0)
    losses.end_epoch()
    assert (losses.before, losses.latest) == (8.0, 4.0)
