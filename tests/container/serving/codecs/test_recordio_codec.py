"""RecordIO, as a table of bytes and record by record."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from container.formats.errors import FormatError
from container.formats.recordio import records
from container.formats.recordio.record_pb2 import Record
from tests.container.serving.codecs.bodies import WRITERS, read_all
from tests.container.serving.wire import RECORDIO, dense, frame


def test_recordio_with_and_without_the_table_of_bytes() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    body = WRITERS[RECORDIO](rows)
    np.testing.assert_array_equal(read_all(RECORDIO, [body], 3)[0], rows)
    # One record with more in it is enough for the other way.
    record = records.dense_record(rows[0])
    record.uid = "a"
    read, identities = read_all(RECORDIO, [body + records.encode([record])], 3)
    np.testing.assert_array_equal(read, rows[[0, 1, 2, 3, 0]])
    assert identities == [Record()] * 4 + [Record(uid="a")]


@pytest.mark.parametrize("feature_dim", [3, 30])
def test_every_byte_of_a_plain_record_counts(feature_dim: int) -> None:
    """Read a frame that differs in one bit from the plain form, padding included, as the protobuf library does."""
    whole = WRITERS[RECORDIO](np.ones((3, feature_dim), dtype=np.float32))
    size = len(whole) // 3

    def outcome(decode: Callable[[bytes, int], NDArray[np.float32]], body: bytes) -> object:
        try:
            return decode(body, feature_dim).tolist()
        except FormatError as error:
            return str(error)

    for position in range(size, 2 * size):
        body = bytearray(whole)
        body[position] ^= 1
        expected = outcome(lambda body, feature_dim: records.decode(body, feature_dim)[0], bytes(body))
        got = outcome(lambda body, feature_dim: read_all(RECORDIO, [body], feature_dim)[0], bytes(body))
        assert got == expected, position


@pytest.mark.parametrize(
    "record_kind",
    ["float64", "with a shape", "with a label before", "with uid", "with the row's numbers in its label"],
)
def test_records_shaped_like_the_first_are_read_as_the_library_reads_them(record_kind: str) -> None:
    rng = np.random.default_rng(0)
    made = []
    for row in rng.standard_normal((3000, 5)).astype(np.float32):
        record = records.dense_record(row)
        match record_kind:
            case "float64":
                record.features["values"].float64_tensor.values.extend(row.tolist())
            case "with a shape":
                record.features["values"].float32_tensor.shape.append(5)
            case "with a label before":
                record.label["values"].float32_tensor.values.append(1.0)
            case "with uid":
                record.uid, record.metadata = "same", "also"
            case _:
                record.label["values"].float32_tensor.values.extend(row.tolist())
        made.append(record)
    # The last ones are of another form.
    made += [records.dense_record(np.arange(5, dtype=np.float32))] * 3
    body = records.encode(made)
    expected = np.stack([records.features(record, 5) for record in made])
    parts = [body[start : start + 7919] for start in range(0, len(body), 7919)]
    read, identities = read_all(RECORDIO, parts, 5)
    np.testing.assert_array_equal(read, expected)
    if record_kind == "with uid":
        assert identities == [Record(uid="same", metadata="also")] * 3000 + [Record()] * 3
    else:
        assert identities is None


READING = f"""
import sys
from pathlib import Path
from container.serving.codecs import CODECS

def most_memory():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) << 10

body = sys.stdin.buffer.read()
before = most_memory()
for _ in CODECS["{RECORDIO}"].decode(iter([body]), 3):
    pass
print(most_memory() - before)
"""


@pytest.mark.parametrize("framed", [True, False])
def test_a_record_of_many_unknown_fields_takes_memory_proportional_to_its_length(framed: bool) -> None:
    # The library allocates it where only the operating system counts it.
    record = dense(1, 2, 5) + b"\x30\x00" * 1_500_000
    body = frame(record) if framed else record
    done = subprocess.run([sys.executable, "-c", READING], input=body, capture_output=True, timeout=60, check=True)
    assert int(done.stdout) < 16 * len(body)
