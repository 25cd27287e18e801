"""Every codec reads what is written, and writes what is read."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from container.formats.recordio import records
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.spans import spans_of
from container.serving.codecs import CODECS
from container.serving.codecs.codec import BLOCK_VALUES, Columns, Predictions
from tests.container.serving.codecs.bodies import WRITERS, read_all, read_pairs
from tests.container.serving.wire import JSON, JSON_LINES, RECORDIO, answered, frame

ROWS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 100), st.integers(1, 5)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@pytest.mark.parametrize("content_type", WRITERS)
@settings(max_examples=25, deadline=None)
@given(rows=ROWS, cut=st.integers(0, 10_000))
def test_rows_written_are_the_rows_read(content_type: str, rows: NDArray[np.float32], cut: int) -> None:
    body = WRITERS[content_type](rows)
    read, identities = read_all(content_type, [body[: cut % len(body)], body[cut % len(body) :]], rows.shape[1])
    assert read.dtype == np.float32
    # A sparse row leaves zeros out, and with them the sign of a negative one.
    np.testing.assert_array_equal(read, rows)
    assert identities is None


@pytest.mark.parametrize("content_type", WRITERS)
@settings(max_examples=25, deadline=None)
@given(
    distances=hnp.arrays(
        np.float32, st.integers(1, 50), elements=st.floats(min_value=0, width=32, allow_infinity=False)
    ),
    identified=st.booleans(),
)
def test_predictions_written_are_the_predictions_read(
    content_type: str, distances: NDArray[np.float32], identified: bool
) -> None:
    labels = np.arange(len(distances))
    uids = [Record(uid=f"{10**label}").SerializeToString() for label in labels.tolist()]
    identities = spans_of(uids) if identified else None
    columns: Columns = {"closest_cluster": labels, "distance_to_cluster": distances}
    body = b"".join(CODECS[content_type].encode([Predictions(columns, identities)]))
    assert read_pairs(content_type, body) == list(zip(labels.tolist(), distances.tolist(), strict=True))
    if content_type == RECORDIO:
        echoes = uids if identified else [b""] * len(uids)
        assert body == b"".join(
            frame(answered(*pair) + echo) for pair, echo in zip(read_pairs(RECORDIO, body), echoes, strict=True)
        )


@pytest.mark.parametrize("content_type", [JSON, JSON_LINES, RECORDIO])
def test_short_instances_of_long_rows_are_read_block_by_block(content_type: str) -> None:
    """A sparse row of a few bytes may stand for one of any length: at most a block of them is held at once."""
    feature_dim = 1 << 20
    sparse = json.dumps({"data": {"features": {"keys": [7], "shape": [feature_dim], "values": [1.0]}}})
    record = Record()
    tensor = record.features["values"].float32_tensor
    tensor.keys.append(7)
    tensor.values.append(1.0)
    tensor.shape.append(feature_dim)
    body = {
        JSON: f'{{"instances": [{", ".join([sparse] * 50)}]}}'.encode(),
        JSON_LINES: "\n".join([sparse] * 50).encode(),
        RECORDIO: records.encode([record] * 50),
    }[content_type]
    counts = [len(block.rows) for block in CODECS[content_type].decode([body], feature_dim)]
    assert sum(counts) == 50
    assert max(counts) * feature_dim <= BLOCK_VALUES
