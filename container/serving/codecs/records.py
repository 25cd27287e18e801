"""The rows of many Record messages at once; `container.formats.recordio` reads one, and says what is wrong with it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from container.formats import recordio
from container.formats.errors import FormatError
from container.formats.record_pb2 import Float32Tensor, Float64Tensor, Record

_FLOATS: Final[dict[str | None, tuple[Any, str]]] = {
    "float32_tensor": (Float32Tensor, "<f4"),
    "float64_tensor": (Float64Tensor, "<f8"),
}


def rows(records: Sequence[Record], feature_dim: int, before: int) -> NDArray[np.float32]:
    """Give the rows of records.

    Parameters
    ----------
    records : sequence of Record
        Of any form.
    feature_dim : int
        The numbers a row must have.
    before : int
        How many records there were before these, for an error.

    Returns
    -------
    ndarray of shape (n, feature_dim), float32
        Finite numbers only.

    Raises
    ------
    FormatError
        As `container.formats.recordio.features`, with the number of the record.
    """
    table = np.zeros((len(records), feature_dim), np.float32)
    # Those of dense and of sparse tensors of floats are gathered, and then read together.
    dense: dict[str | None, tuple[list[int], list[bytes]]] = {kind: ([], []) for kind in _FLOATS}
    sparse: list[int] = []
    counts: list[int] = []
    keys: list[int] = []
    values: list[float] = []
    others: list[int] = []
    for number, record in enumerate(records):
        value = record.features.get("values")
        kind = value.WhichOneof("value") if value is not None else None
        tensor = getattr(value, str(kind)) if kind in _FLOATS else None
        if tensor is None:
            others.append(number)
        elif not tensor.keys:
            run = _run(tensor, kind, feature_dim)
            if run is None:
                others.append(number)
            else:
                dense[kind][0].append(number)
                dense[kind][1].append(run)
        elif len(tensor.keys) == len(tensor.values) <= feature_dim and tensor.shape == [feature_dim]:
            sparse.append(number)
            counts.append(len(tensor.keys))
            keys += tensor.keys
            values += tensor.values
        else:
            others.append(number)
    with np.errstate(over="ignore"):
        for kind, (numbers, runs) in dense.items():
            table[numbers] = np.frombuffer(b"".join(runs), _FLOATS[kind][1]).reshape(-1, feature_dim)
        if not _scatter(table, np.repeat(sparse, counts), np.array(keys, np.uint64), np.array(values)):
            others += sparse
    others += np.flatnonzero(~np.isfinite(table).all(axis=1)).tolist()
    for number in sorted(set(others)):
        try:
            table[number] = recordio.features(records[number], feature_dim)
        except FormatError as error:
            error.record = before + number + 1
            raise
    return table


def _scatter(
    table: NDArray[np.float32], numbers: NDArray[Any], keys: NDArray[np.uint64], values: NDArray[np.float64]
) -> bool:
    """Put values into rows, at columns that are their keys, if all of these are columns and none is there twice."""
    columns = table.shape[1]
    if (keys >= columns).any():
        return False
    places = numbers.astype(np.int64) * columns + keys.astype(np.int64)
    taken = np.zeros(table.size, np.bool_)
    taken[places] = True
    if np.count_nonzero(taken) < len(places):
        return False
    table.reshape(-1)[places] = values
    return True


def _run(tensor: Any, kind: str | None, feature_dim: int) -> bytes | None:
    """Give the bytes of a dense tensor's numbers, if it has as many as it should, and no shape or this one."""
    head, size, shape = _written(kind, feature_dim)
    written: bytes = tensor.SerializeToString()
    end = len(head) + size
    if written.startswith(head) and (len(written) == end or written[end:] == shape):
        return written[len(head) : end]
    return None


@lru_cache(maxsize=16)
def _written(kind: str | None, feature_dim: int) -> tuple[bytes, int, bytes]:
    """Give what a tensor is written with before its numbers, their bytes, and what its shape is written as."""
    tensor, dtype = _FLOATS[kind]
    size = feature_dim * np.dtype(dtype).itemsize
    written: bytes = tensor(values=np.zeros(feature_dim)).SerializeToString()
    shape: bytes = tensor(shape=[feature_dim]).SerializeToString()
    return written[:-size], size, shape
