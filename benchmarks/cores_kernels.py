"""The kernels of the stream alone, on one core."""

import os
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.cores_contenders import BATCH_ROWS, Case, pinned_to
from container.channels.csv_reader import CSVReader
from container.channels.form import RecordForm
from container.channels.recordio_reader import RecordIOReader
from container.configuration.channels import CSV
from kmeans.assignment.engine import Engine
from kmeans.assignment.sums import ClusterSums
from kmeans.kernels.packed import WIDE, WORD, unpack
from kmeans.kernels.pieces import ROW_BLOCK
from kmeans.threads import ONE_THREAD
from kmeans.types import DoubleArray, FloatArray

# Size of a block of rows: it stays in the processor's cache, and calls from Python hardly matter.
BLOCK_BYTES = 1 << 19


def kernels_alone(case: Case) -> DoubleArray:
    """Decode, assign and add the rows of the first file on one core; return the seconds of each, float64 (3,)."""
    n_features = case.centers.shape[1]
    assigner = Engine(ONE_THREAD, case.shift).assigner(case.centers)
    sums, weights = ClusterSums.zeros(*case.centers.shape), np.ones(BATCH_ROWS)
    block_rows = min(BATCH_ROWS, max(ROW_BLOCK, BLOCK_BYTES // (4 * n_features)))
    read = _csv_blocks if case.channel.content_type == CSV else _recordio_blocks
    blocks = read(case.channel.path, block_rows, n_features)
    seconds, n_rows = np.zeros(3), 0
    with pinned_to(1):
        before = perf_counter()
        for rows in blocks:
            decoded = perf_counter()
            labels, distances = assigner.assign(rows)
            assigned = perf_counter()
            sums.add(rows, labels, weights[: len(rows)], distances, case.outlier_distance)
            added = perf_counter()
            seconds += decoded - before, assigned - decoded, added - assigned
            n_rows += len(rows)
            before = perf_counter()
    if n_rows != len(case.part):
        raise ValueError(f"expected {len(case.part)} rows in the first file, got {n_rows}")
    return seconds


def _recordio_blocks(folder: Path, block_rows: int, n_features: int) -> Iterator[FloatArray]:
    """Read records with only `pread` and the kernel."""
    with (folder / "part-0.pbr").open("rb", buffering=0) as file:
        packed = RecordIOReader(file, RecordForm(n_features)).packed(1)
        if packed is None:
            raise ValueError("expected records that differ only in their numbers")
        values_at, stride = len(packed.head), packed.stride
        records = -(-values_at // WORD) * WORD
        buffer = np.empty(records + block_rows * stride + WIDE, np.uint8)
        buffer[:values_at] = np.frombuffer(packed.head, np.uint8)
        # The kernel copies whole blocks of bytes, which may end after the last row.
        all_rows: FloatArray = np.empty((block_rows + -(-WIDE // (4 * n_features)), n_features), np.float32)
        for begin in range(0, packed.n_rows, block_rows):
            rows = all_rows[: min(block_rows, packed.n_rows - begin)]
            os.preadv(packed.file, [buffer[records:][: len(rows) * stride].data], packed.begin + begin * stride)
            if not unpack(buffer, values_at, stride, len(rows), rows):
                raise ValueError("expected records that differ only in their numbers")
            yield rows


def _csv_blocks(folder: Path, block_rows: int, n_features: int) -> Iterator[FloatArray]:
    rows: FloatArray = np.empty((block_rows, n_features), np.float32)
    with (folder / "part-0.csv").open("rb", buffering=0) as file:
        reader = CSVReader(file, RecordForm(n_features, 0))
        while count := reader.read(rows):
            yield rows[:count]
