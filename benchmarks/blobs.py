"""Rows scattered around random centers, and the files of a job that clusters them."""

import os
from pathlib import Path

import numpy as np

from container.formats.recordio.layout import dense_frames
from kmeans.types import FloatArray

FILE_BYTES = int(os.environ.get("BENCH_FILE_BYTES", 2 << 30))
PARTS = 4
# Rows generated and written at once.
CHUNK_ROWS = 50_000


def frame_bytes(d: int) -> int:
    """Return the size of a row's record in a RecordIO file, in bytes."""
    return dense_frames(np.zeros((1, d), np.float32)).nbytes


def blobs(n: int, d: int, k: int) -> FloatArray:
    """Return float32 rows of shape (n, d) around `k` centers, the same in each call."""
    rng = np.random.default_rng(0)
    centers = rng.uniform(-10, 10, (k, d)).astype(np.float32)
    rows: FloatArray = np.empty((n, d), np.float32)
    for begin in range(0, n, CHUNK_ROWS):
        chunk = rows[begin : begin + CHUNK_ROWS]
        chunk[:] = centers[rng.integers(k, size=len(chunk))]
        chunk += rng.standard_normal(chunk.shape, np.float32) * np.float32(3)
    return rows


def write_job(base: Path, n: int, d: int, k: int, parts: int = PARTS) -> FloatArray:
    """Write the input files of a job on blobs, `parts` of them, and return the rows."""
    rows = blobs(n, d, k)
    channel = base / "input/data/train"
    channel.mkdir(parents=True)
    for number, part in enumerate(np.array_split(rows, parts)):
        with (channel / f"part-{number}.pbr").open("wb") as file:
            for begin in range(0, len(part), CHUNK_ROWS):
                file.write(dense_frames(part[begin : begin + CHUNK_ROWS]).data)
    (base / "input/config").mkdir()
    return rows
