"""Fixtures of the algorithm's tests."""

from collections.abc import Iterator

import pytest

from kmeans.threads import Threads


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[Threads]:
    pool = Threads(request.param)
    yield pool
    pool.close()
