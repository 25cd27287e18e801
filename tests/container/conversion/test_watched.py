"""Features that float32 is too coarse for."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from container import convert
from container.conversion.rows import Rows
from container.conversion.watched import Watched
from kmeans.types import FloatArray


@pytest.mark.parametrize("name", ["rows.npy", "rows.csv"])
def test_features_that_float32_is_too_coarse_for_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=20_000), 1.7e9 + rng.integers(7200, size=20_000), np.full(20_000, 1.7e9)])
    if name.endswith("npy"):
        np.save(tmp_path / name, rows)
    else:
        np.savetxt(tmp_path / name, rows, "%.17g", ",")
    assert convert.main([str(tmp_path / name), str(tmp_path / "out")]) == 0
    error = capsys.readouterr().err
    assert error.startswith(
        f"{tmp_path / 'out'}: float32 is too coarse for the values of feature 1 (steps of 128, half of"
    )
    assert error.count("(steps of") == 1


def test_blocks_from_the_whole_source_are_examined() -> None:
    class Source(Rows):
        n_features = 1

        def count(self) -> int:
            return 0

        def blocks(self) -> Iterator[FloatArray]:
            # Sorted as times mostly are: in no block are there many, in all together there are enough.
            for begin in range(1000):
                yield (1.7e9 + 1e6 * (begin + np.arange(100)[:, None] / 100)).astype(np.float32)

    watched = Watched(Source())
    assert sum(map(len, watched.blocks())) == 100_000
    assert watched.coarse() == ""
