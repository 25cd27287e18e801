"""Rows in memory, dense or sparse, as the algorithm reads them."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse, vstack

from kmeans.points import Rows, with_weights
from sagemaker_kmeans.unit_length import check_directions

# Numbers of a block, at most, but for a row that is longer.
_BLOCK_NUMBERS: Final = 1 << 20
# Rows that the origin is chosen by.
_ORIGIN_ROWS: Final = 1000


def blocks(rows: Any, size: int | None = None, skip: int = 0) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield rows a block at a time, those of a sparse matrix made dense."""
    size = size or max(1, _BLOCK_NUMBERS // rows.shape[1])
    for start in range(skip, rows.shape[0], size):
        part = slice(start, min(start + size, rows.shape[0]))
        yield part, rows[part].toarray() if issparse(rows) else rows[part]


def distinct_rows(rows: Any) -> NDArray[Any]:
    """Return the distinct rows, in lexicographic order."""
    return np.unique(np.concatenate([np.unique(block, axis=0) for _, block in blocks(rows)]), axis=0)


def inertia(
    rows: Any, centers: NDArray[Any], labels: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> float:
    """Return the sum of the squared distances of rows to the centers of their clusters, times their weights."""
    total = 0.0
    for part, block in blocks(rows):
        differences = block - centers[labels[part]].astype(np.float64)
        if weights is None:
            total += float(np.einsum("ij,ij->", differences, differences))
        else:
            total += float(weights[part] @ np.einsum("ij,ij->i", differences, differences))
    return total


class MemoryRows:
    """Rows in memory as a source; see `kmeans.source.RowSource`.

    Parameters
    ----------
    rows : ndarray of float32 or SciPy sparse matrix, shape (n, d)
        The rows.
    batch_size : int
        Rows of a mini-batch.
    weights : ndarray of float64, shape (n,), or None
        Their weights, more than 0; None where each counts once.
    """

    rereadable = True
    shared = False

    def __init__(self, rows: Any, batch_size: int, weights: NDArray[np.float64] | None = None) -> None:
        self._rows, self._batch_size, self._weights = rows, batch_size, weights

    def blocks(self, skip: int = 0) -> Iterator[Rows]:
        """Yield the mini-batches, without the first `skip` rows."""
        for part, block in blocks(self._rows, self._batch_size, skip):
            yield with_weights(block, None if self._weights is None else self._weights[part])

    def stretches(self, skip: int = 0) -> Iterator[Rows]:
        """Yield many mini-batches together where they are dense and have no weights."""
        if issparse(self._rows) or self._weights is not None:
            yield from self.blocks(skip)
        elif skip < len(self._rows):
            yield self._rows[skip:]

    def relative(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points as they are: rows in memory keep their coordinates."""
        return points

    def read_ahead(self) -> bool:
        """Return that there is nothing to read."""
        return False

    def sample(self, size: int, rng: np.random.Generator) -> tuple[Rows, int]:
        """Draw rows without replacement; return them, and how many there are."""
        n_rows = self._rows.shape[0]
        places = np.sort(rng.choice(n_rows, min(size, n_rows), replace=False))
        chosen = self._rows[places]
        weights = None if self._weights is None else self._weights[places]
        return with_weights(chosen.toarray() if issparse(chosen) else chosen, weights), n_rows


def usual_origin(rows: Any) -> NDArray[Any]:
    """Return what rows are taken relative to, in their type: 0 for float32, and for sparse matrices."""
    if rows.dtype == np.float32 or issparse(rows):
        return np.zeros(rows.shape[1], rows.dtype)
    few = rows[:: max(1, len(rows) // _ORIGIN_ROWS)]
    usual: NDArray[Any] = np.median(few, axis=0).astype(rows.dtype)
    return usual


def unit_rows(rows: Any, scaled_to_unit: Callable[[NDArray[Any]], NDArray[np.float64]]) -> Any:
    """Return rows scaled to length 1, a block at a time, in their own type; those of a sparse matrix stay sparse.

    Raises
    ------
    ValueError
        If a row has no direction.
    """
    scaled = []
    for part, block in blocks(rows):
        check_directions(block, part.start)
        unit = scaled_to_unit(block).astype(rows.dtype)
        scaled.append(csr_array(unit) if issparse(rows) else unit)
    return vstack(scaled, "csr") if issparse(rows) else np.concatenate(scaled)


def single_rows(rows: Any, origin: NDArray[Any]) -> Any:
    """Return rows relative to the origin, in float32 and writable, as the kernels take them."""
    with np.errstate(over="ignore"):
        if issparse(rows):
            if origin.any():
                return single_rows(rows.toarray(), origin)
            single = rows.astype(np.float32)
            numbers = single.data
        else:
            single = numbers = np.require(rows - origin if origin.any() else rows, np.float32, ["C", "W"])
    if not np.isfinite(numbers).all():
        raise ValueError("expected numbers in the range of float32, got larger ones")
    return single
