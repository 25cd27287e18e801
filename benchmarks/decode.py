"""Reading a channel: our decoder, the protobuf library, a plain copy of the bytes."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import medians
from container.channels.source import Source
from container.configuration import ChannelConfiguration
from container.formats import recordio
from container.formats.recordio import dense_record, encode

SHAPES = (2, 10, 50, 784)
FILE_BYTES = 64 << 20
TWIN_BYTES = 4 << 20
BATCH_ROWS = 5000


def run() -> list[dict[str, Any]]:
    """Measure dense float32 records of d features; figures are GB of file a second."""
    results = []
    for d in SHAPES:
        rng = np.random.default_rng(0)
        block = encode(map(dense_record, rng.standard_normal((1000, d), dtype=np.float32)))
        content = block * (FILE_BYTES // len(block))
        part = block * max(1, TWIN_BYTES // len(block))
        copy = bytearray(len(content))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "part-0.pbr").write_bytes(content)
            channel = ChannelConfiguration(
                "train", "application/x-recordio-protobuf", None, "File", "FullyReplicated", Path(folder)
            )
            seconds = medians(
                {
                    "ours": partial(_read, channel, d),
                    "protobuf": partial(recordio.decode, part, d),
                    "copy": partial(_copy, copy, content),
                }
            )
        rates = {
            "ours": len(content) / seconds["ours"] / 1e9,
            "protobuf": len(part) / seconds["protobuf"] / 1e9,
            "copy": len(content) / seconds["copy"] / 1e9,
        }
        results.append(
            {
                "d": d,
                **{name: round(rate, 3) for name, rate in rates.items()},
                "million rows/s": round(rates["ours"] * 1e3 / (len(block) / 1000), 2),
                "ours / protobuf": round(rates["ours"] / rates["protobuf"], 1),
                "ours / copy": round(rates["ours"] / rates["copy"], 2),
            }
        )
    return results


def _read(channel: ChannelConfiguration, d: int) -> None:
    for _ in Source(channel, d, BATCH_ROWS).blocks():
        pass


def _copy(target: bytearray, content: bytes) -> None:
    target[:] = content
