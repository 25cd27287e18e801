"""A table, and how it is written in each format."""

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray


def some_rows() -> NDArray[np.float32]:
    """Return rows with many zeros, one of them with nothing else."""
    rows = np.random.default_rng(0).normal(size=(1000, 150)).astype(np.float32)
    rows[::2] *= rows[::2] > 1
    rows[7] = 0
    return rows


def write(path: Path, rows: NDArray[np.float32]) -> None:
    match path.suffix:
        case ".npy":
            np.save(path, rows)
        case ".npz":
            np.savez_compressed(path, rows)
        case ".csv":
            path.write_text("".join(",".join(map(repr, row)) + "\n" for row in rows.tolist()))
        case ".parquet":
            names = [str(column) for column in range(rows.shape[1])]
            pyarrow.parquet.write_table(pyarrow.table(list(rows.T.copy()), names=names), path, row_group_size=300)
