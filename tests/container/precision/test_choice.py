"""The coordinates that the hosts of a job choose together."""

import logging

import numpy as np
import pytest

from container.precision.choice import shifted_coordinates, standardized_coordinates
from container.precision.coordinates import Coordinates
from kmeans.communicator import Communicator, SingleHost
from kmeans.events import Events
from kmeans.thread_hosts import run_hosts
from kmeans.types import DoubleArray

SECONDS = (1.7e9 + np.random.default_rng(0).integers(7200, size=500)).astype(np.float64)
SHARDS: list[DoubleArray] = [np.empty((0, 1)), SECONDS[:400, None], np.full((300, 1), 1.7e9)]


@pytest.mark.parametrize("standardize", [False, True])
def test_hosts_settle_on_the_same_coordinates_whatever_they_have(standardize: bool) -> None:
    events = [Events() for _ in SHARDS]

    def choose(host: Communicator) -> Coordinates:
        rows = SHARDS[host.rank]
        shifted = shifted_coordinates(rows, host, events[host.rank])
        return standardized_coordinates(rows, len(rows), host) if standardize else shifted

    found = run_hosts(3, choose)
    assert all(coordinates.scaled == standardize and not coordinates.plain for coordinates in found)
    assert len({b"".join(array.tobytes() for array in each.arrays().values()) for each in found}) == 1
    assert not any(own.counts for own in events)


def test_what_is_standardized_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rows = np.column_stack([np.arange(9.0), *np.ones((7, 9))])
    standardized_coordinates(rows, 9, SingleHost())
    assert caplog.messages == [
        "standardizing: distances and msd are in standard deviations of the features, computed from 9 rows",
        "constant in these rows, and left in their own units: feature 1, feature 2, feature 3, feature 4, feature 5"
        " and 2 more",
    ]


def test_without_a_row_it_is_said_that_nothing_is(caplog: pytest.LogCaptureFixture) -> None:
    standardized_coordinates(np.empty((0, 2)), 0, SingleHost())
    assert "The job was stopped before any row was drawn: the features are not standardized." in caplog.messages
