"""Rows of many records at once are those that the reference gives of each, and so is what is said of a bad one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container.formats import recordio as reference
from container.formats.errors import FormatError
from container.formats.record_pb2 import Record
from container.serving.codecs import CODECS
from container.serving.codecs.records import rows
from tests.container.serving.wire import RECORDIO

FEATURES = 3
KINDS = ["float32_tensor", "float64_tensor", "int32_tensor"]


def record(
    kind: str, values: list[int | float], keys: list[int] | None = None, shape: list[int] | None = None, uid: str = ""
) -> Record:
    made = Record()
    tensor = getattr(made.features["values"], kind)
    tensor.values.extend(values if kind != "int32_tensor" else [int(value) for value in values])
    tensor.keys.extend(keys or [])
    tensor.shape.extend(shape or [])
    if uid:
        made.uid = uid
    return made


GOOD = [
    *(record(kind, [1, -2.5, 3], shape=shape) for kind in KINDS for shape in (None, [3], [1, 3], [3, 1])),
    *(record(kind, [1, 2], [2, 0], [3], "a uid") for kind in KINDS),
    record("float32_tensor", [], shape=[3]),
    record("float64_tensor", [0.1, 1e-50, 16777217.0], uid="ü"),
]
BAD = [
    record("float32_tensor", [4], [1], [3, 7]),
    Record(),
    record("float32_tensor", [1, 2]),
    record("float32_tensor", [1, 2, float("nan")]),
    record("float64_tensor", [1, 1e39, 2]),
    record("float32_tensor", [1, 2, 3], shape=[4]),
    record("float32_tensor", [1, 2], [0, 3], [3]),
    record("float32_tensor", [1, 2], [0, 1 << 63], [3]),
    record("float64_tensor", [1, 2], [1, 1], [3]),
    record("float32_tensor", [1], [0, 1], [3]),
    record("float32_tensor", [float("inf")], [1], [3]),
    record("float32_tensor", [1], [1], [4]),
    record("float32_tensor", [1], [1]),
]


@settings(max_examples=100, deadline=None)
@given(records=st.lists(st.sampled_from(GOOD), min_size=1, max_size=60))
def test_records_of_all_forms(records: list[Record]) -> None:
    expected, _ = reference.decode(reference.encode(records), FEATURES)
    np.testing.assert_array_equal(rows(records, FEATURES, 0), expected)
    blocks = list(CODECS[RECORDIO].decode([reference.encode(records)], FEATURES))
    np.testing.assert_array_equal(np.concatenate([block.rows for block in blocks]), expected)
    uids = [
        block.identities[row].uid if block.identities else None for block in blocks for row in range(len(block.rows))
    ]
    assert uids == [record.uid or None for record in records]


@pytest.mark.parametrize("bad", range(len(BAD)))
def test_the_first_bad_record_is_named(bad: int) -> None:
    records = [*GOOD, BAD[bad], *GOOD, Record()]
    with pytest.raises(FormatError) as expected:
        reference.features(BAD[bad], FEATURES)
    expected.value.record = 100 + len(GOOD) + 1
    with pytest.raises(FormatError) as found:
        rows(records, FEATURES, 100)
    assert str(found.value) == str(expected.value)
    assert type(found.value) is type(expected.value)


def test_records_with_identities_of_their_own_are_answered_by_them() -> None:
    """A whole block of them, which differ in nothing else."""
    records = [record("float32_tensor", [1, 2, 3], uid=f"{number:05}") for number in range(5000)]
    blocks = CODECS[RECORDIO].decode([reference.encode(records)], FEATURES)
    uids = [one.uid for block in blocks for one in block.identities or []]
    assert uids == [record.uid for record in records]
