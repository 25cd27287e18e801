"""Reading a channel: this program, the SageMaker SDK, the protobuf library, numpy, and a copy of the bytes."""

import io
import os
import struct
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sagemaker.amazon.common import read_records

from benchmarks.measure import medians
from container.channels.channel import Channel
from container.channels.form import RecordForm
from container.configuration.channels import ChannelConfiguration
from container.formats.recordio import records, wire
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.records import dense_record, encode
from kmeans.types import DoubleArray

FILE_BYTES = 1 << 30
# The SDK and the protobuf library are so slow that they read only a part.
PART_BYTES = 2 << 20
BATCH_ROWS = 5000
RECORDIO = "application/x-recordio-protobuf"
FEATURES_OF_SPARSE = 1000
VALUES_OF_SPARSE = 20


def run() -> list[dict[str, Any]]:
    """Measure a file of each format in the page cache; figures are GB of the file a second.

    The plain read reads the file in blocks of a megabyte. The copy is one of the file's bytes, between buffers that are
    already allocated, as are all but the first blocks of rows that this program fills. Decoding cannot be faster than
    the plain read and a copy from its buffer together. With few features, a large part of each record is its header,
    which is compared with that of the previous record.
    """
    rng = np.random.default_rng(0)
    results = []
    for d in (2, 10, 50, 784):
        records = map(dense_record, rng.standard_normal((1000, d), dtype=np.float32))
        results.append(_measure(f"float32, d = {d}", encode(records), 1000, d, RECORDIO))
    doubles = (_record("float64_tensor", rng.standard_normal(50)) for _ in range(1000))
    results.append(_measure("float64, d = 50", encode(doubles), 1000, 50, RECORDIO))
    sparse = (
        _record(
            "float32_tensor",
            rng.standard_normal(VALUES_OF_SPARSE),
            keys=np.sort(rng.choice(FEATURES_OF_SPARSE, VALUES_OF_SPARSE, replace=False)).tolist(),
            shape=[FEATURES_OF_SPARSE],
        )
        for _ in range(1000)
    )
    name = f"sparse, {VALUES_OF_SPARSE} of {FEATURES_OF_SPARSE}"
    results.append(_measure(name, encode(sparse), 1000, FEATURES_OF_SPARSE, RECORDIO))
    for d in (10, 50):
        lines = "".join(",".join(f"{value:.6g}" for value in row) + "\n" for row in rng.standard_normal((1000, d)))
        results.append(_measure(f"CSV, d = {d}", lines.encode(), 1000, d, "text/csv"))
    return results


def _record(tensor: str, values: DoubleArray, **rest: list[int]) -> Record:
    record = Record()
    target = getattr(record.features["values"], tensor)
    target.values.extend(values.tolist())
    for field, numbers in rest.items():
        getattr(target, field).extend(numbers)
    return record


def _measure(name: str, block: bytes, n_rows: int, d: int, content_type: str) -> dict[str, Any]:
    content = block * (FILE_BYTES // len(block))
    part = block * max(1, PART_BYTES // len(block))
    source, target = np.frombuffer(content, np.uint8), np.zeros(len(content), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "part-0"
        file.write_bytes(content)
        # Otherwise writing back would slow down whichever contender reads at the time.
        os.sync()
        channel = ChannelConfiguration("train", content_type, None, "File", "FullyReplicated", Path(folder))
        contenders: dict[str, tuple[int, Callable[[], object]]] = {
            "ours": (len(content), partial(read, channel, d)),
            "plain read": (len(content), partial(_read_plainly, file, bytearray(1 << 20))),
            "copy": (len(content), partial(np.copyto, target, source)),
        }
        if content_type == RECORDIO:
            contenders["SDK + numpy"] = (len(part), partial(_read_with_sdk, part, d))
            contenders["protobuf"] = (len(part), partial(records.decode, part, d))
        else:
            contenders["numpy.loadtxt"] = (len(part), partial(_read_with_numpy, part))
        seconds = medians({other: function for other, (_, function) in contenders.items()})
    rates = {other: size / seconds[other] / 1e9 for other, (size, _) in contenders.items()}
    return {
        "file": name,
        **{
            other: f"{rates[other]:.3f}" if other in rates else ""
            for other in ("ours", "plain read", "copy", "SDK + numpy", "protobuf", "numpy.loadtxt")
        },
        "million rows/s": round(rates["ours"] * 1e3 / (len(block) / n_rows), 2),
        "ours / copy": round(rates["ours"] / rates["copy"], 2),
    }


def read(channel: ChannelConfiguration, d: int) -> None:
    """Read a channel once, without computing anything."""
    for _ in Channel(channel, RecordForm.of(channel, d), BATCH_ROWS).blocks():
        pass


def _read_plainly(path: Path, buffer: bytearray) -> None:
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def _read_with_sdk(content: bytes, d: int) -> None:
    rows = np.zeros((content.count(struct.pack("<I", wire.MAGIC)), d), np.float32)
    for row, record in zip(rows, read_records(io.BytesIO(content)), strict=False):
        features = record.features["values"]
        tensor = features.float32_tensor if features.HasField("float32_tensor") else features.float64_tensor
        if tensor.keys:
            row[tensor.keys] = tensor.values
        else:
            row[:] = tensor.values


def _read_with_numpy(content: bytes) -> None:
    np.loadtxt(io.BytesIO(content), np.float32, delimiter=",", ndmin=2)
