"""Any bytes into every decoder: rows or a model come out, or the decoder's own error, in bounded memory.

Seconds in the suite; minutes in `make fuzz`.
"""

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.artifacts import mxnet_ndarray, tarball
from container.artifacts.model import ModelError, load
from container.configuration.algorithm_settings import settings_of
from container.configuration.channels import MODEL, ChannelConfiguration
from container.configuration.hyperparameters import parse
from container.errors import CustomerError
from container.formats.errors import FormatError
from container.formats.recordio import records
from container.formats.recordio.record_pb2 import Record
from container.job.given_model import read_given_model
from container.serving.codecs import CODECS
from tests.container.fuzz import tallies
from tests.container.serving.wire import CSV, JSON, JSON_LINES, RECORDIO

FEATURES = 3
ROWS = np.arange(30, dtype=np.float32).reshape(10, FEATURES)
SETTINGS = settings_of(parse({"k": f"{len(ROWS)}", "feature_dim": f"{FEATURES}"}))
# All decoders together.
SECONDS = tallies.seconds(few=5, share=0.25)


def decoding(content_type: str) -> Callable[[bytes], None]:
    """Return a function that decodes a body, whole and in parts, and checks that the results are equal."""

    def outcome(parts: list[bytes]) -> object:
        try:
            rows = [block.rows for block in CODECS[content_type].decode(parts, FEATURES)]
        except FormatError as error:
            return str(error)
        assert all(block.dtype == np.float32 and np.isfinite(block).all() for block in rows)
        return np.concatenate(rows).tolist() if rows else []

    def decode(body: bytes) -> None:
        whole = outcome([body])
        middle = len(body) // 2
        parts = outcome([body[:middle], body[middle:]])
        # Two faults may be found in another order.
        assert parts == whole or (isinstance(parts, str) and isinstance(whole, str))

    return decode


def load_file(body: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model_algo-1"
        path.write_bytes(body)
        try:
            model = load(path, 1 << 20)
        except ModelError:
            return
    assert np.isfinite(model.centers).all()


def load_centers(body: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "centers.csv").write_bytes(body)
        channel = ChannelConfiguration("model", MODEL, None, "File", "FullyReplicated", Path(folder))
        try:
            found = read_given_model(channel, SETTINGS)
        except CustomerError:
            return
    assert found.centers.shape == ROWS.shape
    assert np.isfinite(found.centers).all()


def saved(rows: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.save(content, rows)
    return content.getvalue()


def load_ndarray(body: bytes) -> None:
    try:
        mxnet_ndarray.loads(body)
    except mxnet_ndarray.NDArrayFormatError:
        return


def packed() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model_algo-1"
        mxnet_ndarray.write(path, ROWS)
        tarball.write(path.with_name("model.tar.gz"), [path])
        return path.with_name("model.tar.gz").read_bytes()


SPARSE = Record()
SPARSE.features["values"].float64_tensor.keys.extend([0, 2])
SPARSE.features["values"].float64_tensor.values.extend([1.5, -2.5])
SPARSE.features["values"].float64_tensor.shape.append(FEATURES)
SPARSE.uid = "uid"

TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "csv": (decoding(CSV), [b"1,2,3\r\n" * 100, b'"1.5", -2e3,.5\n\n', b"nan,inf,1e39\n", b"\xef\xbb\xbf1,2,3"]),
    "json": (
        decoding(JSON),
        [
            b'{"instances": [{"features": [1, 2.5, -3e2]}, {"data": {"features": {"values": [1, 2, 3]}}}]}',
            b'{"instances": [{"data": {"features": {"keys": [0], "shape": [3], "values": [1]}}}]}',
        ],
    ),
    "jsonlines": (decoding(JSON_LINES), [b'{"features": [1, 2, 3]}\n{"configuration": {}, "features": [1, 2, 3]}\r\n']),
    "recordio": (
        decoding(RECORDIO),
        [records.encode(map(records.dense_record, ROWS)), records.encode([SPARSE] * 3), records.encode([SPARSE]) * 200],
    ),
    "ndarray": (load_ndarray, [mxnet_ndarray.dumps(ROWS), mxnet_ndarray.dumps(ROWS.astype(np.int64))]),
    "centers": (
        load_centers,
        [
            saved(ROWS.astype(np.float64)),
            saved(np.asfortranarray(ROWS)),
            b"1,2,3\n" * 10,
            b"a,b,c\n" + b"1,2,3\n" * 10,
            records.encode(map(records.dense_record, ROWS)),
            records.encode([SPARSE] * 10),
        ],
    ),
    "model": (load_file, [mxnet_ndarray.dumps(ROWS), packed()]),
}


SPLINTERS = [b"\xff" * 4, b"\0" * 8, b"\x7f\xff\xff\xff", b"\n", b",", b'"', b"[", b"}", b"1e999"]


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Return valid bytes of which some are changed, removed, doubled or added; sometimes random bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    body = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body)))
        length = draw(st.integers(0, 12))
        match draw(st.integers(0, 3)):
            case 0:
                body[at : at + length] = draw(st.binary(min_size=length, max_size=length))
            case 1:
                del body[at : at + length]
            case 2:
                body[at:at] = body[at : at + length]
            case _:
                body[at:at] = draw(st.sampled_from(SPLINTERS))
    return bytes(body)


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes_give_what_was_meant_or_the_decoders_own_error(target: str) -> None:
    decode, seeds = TARGETS[target]
    for seed in seeds:
        decode(seed)
    ends = time.monotonic() + SECONDS / len(TARGETS)

    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(body=damaged(seeds))
    def feed(body: bytes) -> None:
        decode(body)

    while time.monotonic() < ends:
        feed()
