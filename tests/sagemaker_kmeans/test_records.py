"""Records as they are sent and answered, against the codec of the container."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import random_array

from container.formats.recordio import record_pb2
from container.serving.codecs import CODECS
from container.serving.codecs.codec import Predictions
from kmeans import __version__
from sagemaker_kmeans import __version__ as own_version
from sagemaker_kmeans.answers import AnswerError, arrays, split
from sagemaker_kmeans.record_message import Record, parsed
from sagemaker_kmeans.records import encoded, request_parts
from sagemaker_kmeans.shards import write_folder
from tools.documents import ROOT

ROWS = np.random.default_rng(0).random((10, 3))


def decoded(body: bytes) -> list[Any]:
    return [record_pb2.Record.FromString(bytes(record)) for record in split(body)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", [None, np.arange(10.0)])
def test_rows_are_records(dtype: Any, labels: Any) -> None:
    found = decoded(b"".join(encoded(ROWS.astype(dtype), labels)))
    for number, (row, record) in enumerate(zip(ROWS.astype(dtype), found, strict=True)):
        tensor = getattr(record.features["values"], f"{np.dtype(dtype).name}_tensor")
        np.testing.assert_array_equal(np.array(tensor.values, dtype), row)
        assert [entry.float64_tensor.values[:] for entry in record.label.values()] == (
            [] if labels is None else [[float(number)]]
        )


def test_requests_are_cut_where_an_endpoint_needs_it() -> None:
    rows = np.zeros((4000, 1000), np.float32)
    bodies = list(request_parts(rows))
    assert len(bodies) > 1
    assert max(map(len, bodies)) < 6e6
    assert sum(len(list(split(body))) for body in bodies) == 4000
    with pytest.raises(ValueError, match="expected at least one row"):
        list(request_parts(rows[:0]))


def test_sparse_rows_are_sent_as_the_dense_ones() -> None:
    rows = random_array((3000, 1000), density=0.01, format="coo", random_state=0, dtype=np.float32)
    assert list(request_parts(rows)) == list(request_parts(rows.toarray()))


def test_a_folder_of_shards_is_whole_or_not_there(tmp_path: Path) -> None:
    write_folder(tmp_path / "rows", ROWS, None, 3)
    parts = [decoded((tmp_path / "rows" / f"matrix_{shard}.pbr").read_bytes()) for shard in range(3)]
    assert [len(part) for part in parts] == [3, 3, 4]
    with pytest.raises(ValueError, match="less than num shards"):
        write_folder(tmp_path / "few", ROWS, None, 11)
    program = """
import resource, pathlib, signal, numpy
from sagemaker_kmeans.shards import write_folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
write_folder(pathlib.Path("full"), numpy.zeros((1 << 18, 2)), None, 1)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert "File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rows"]


def test_answers_of_serve_are_read() -> None:
    labels, distances = np.array([2, 0]), np.array([0.5, 1.25], np.float32)

    def blocks() -> Iterator[Predictions]:
        yield Predictions({"closest_cluster": labels, "distance_to_cluster": distances}, None)

    body = b"".join(CODECS["application/x-recordio-protobuf"].encode(blocks()))
    found_labels, found_distances = arrays([body, body])
    assert found_labels.tolist() == [2, 0, 2, 0]
    assert found_distances.tolist() == [0.5, 1.25, 0.5, 1.25]
    first, _ = parsed(split(body))
    assert first.label["closest_cluster"].float32_tensor.values[:] == [2.0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"x", "expected the head of a record"),
        (bytes(8), "expected a record at byte 0"),
        (b"\x0a\x23\xd7\xce\xff\xff\xff\x7f", "expected a record at byte 0"),
        (b"\x0a\x23\xd7\xce\x02\0\0\0\x12\x7f\0\0", "expected a field with a length"),
        (b"\x0a\x23\xd7\xce\x04\0\0\0\xff\xff\xff\xff", "expected a number"),
        (b"\x0a\x23\xd7\xce\0\0\0\0", "expected closest_cluster and distance_to_cluster, got"),
        (b"\x0a\x23\xd7\xce\x02\0\0\0\x12\0\0\0", "expected one float32 for each label"),
    ],
)
def test_other_answers_are_refused(body: bytes, message: str) -> None:
    with pytest.raises(AnswerError, match=message):
        arrays([body])


def test_the_message_is_that_of_the_container() -> None:
    record = record_pb2.Record(uid="a", metadata="b")
    record.features["values"].int32_tensor.values.extend([1, -2])
    record.label["values"].float64_tensor.values.append(0.5)
    again = Record.FromString(record.SerializeToString())
    assert (again.uid, again.metadata) == ("a", "b")
    assert again.features["values"].int32_tensor.values[:] == [1, -2]
    assert again.label["values"].float64_tensor.values[:] == [0.5]


def test_both_wheels_are_of_one_release() -> None:
    assert own_version == __version__
    assert (ROOT / "sagemaker_kmeans" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
