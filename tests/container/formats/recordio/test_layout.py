"""Frames of dense and sparse rows."""

import numpy as np
import pytest

from container.formats.recordio.layout import dense_frames
from container.formats.recordio.records import decode, dense_record, encode
from container.formats.recordio.sparse_kernel import sparse_frames


@pytest.mark.parametrize("d", [1, 2, 129, 20_000])
def test_frames_are_those_of_the_reference(d: int) -> None:
    rows = np.random.default_rng(d).normal(size=(20, d)).astype(np.float32)
    assert dense_frames(rows).tobytes() == encode(map(dense_record, rows))
    rows[rows < 1] = 0
    back, records = decode(sparse_frames(rows).tobytes(), d)
    np.testing.assert_array_equal(back, rows)
    counts = [len(record.features["values"].float32_tensor.values) for record in records]
    assert counts == (rows != 0).sum(axis=1).tolist()
