"""Which k is suggested, of given indices."""

import numpy as np
import pytest

from kmeans.finalization.suggestion import Suggestion, suggest


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        ({2: 10.0, 3: 50.0, 4: 20.0}, Suggestion(3, 3, 3)),
        ({2: 49.0, 3: 50.0, 4: 48.0, 5: 20.0}, Suggestion(3, 2, 4)),
        # As good, but not next to it.
        ({2: 49.0, 3: 20.0, 4: 50.0, 5: 20.0}, Suggestion(4, 4, 4)),
        # More clusters might be better yet.
        ({2: 10.0, 3: 20.0, 4: 30.0}, None),
        # Where every row is a center there is nothing to compare.
        ({2: 10.0, 3: np.inf, 4: np.inf}, None),
        ({2: 0.0, 3: 0.0}, None),
        ({}, None),
    ],
)
def test_the_largest_index_and_its_neighbors(indices: dict[int, float], expected: Suggestion | None) -> None:
    assert suggest(indices, lambda _: 1.0) == expected


def test_clusters_that_are_not_separated_are_not_suggested() -> None:
    assert suggest({2: 10.0, 3: 50.0, 4: 20.0}, lambda k: 0.4 if k == 3 else 1.0) is None
