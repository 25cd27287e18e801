"""Rows to framed dense records, the bytes that `container.formats.recordio.records` would write, and back.

All these records are alike but for their numbers. Numpy copies those, and no kernel is needed: to load one takes a
second.
"""

import functools
import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from container.conversion.rows import rows_in_a_block
from container.formats.recordio.records import HEADER_BYTES, dense_record, frame
from kmeans.types import FloatArray


def frames(rows: FloatArray) -> NDArray[np.uint8]:
    """Frame rows as dense records.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
        C-contiguous.

    Returns
    -------
    ndarray of shape (n, bytes of a frame), uint8
    """
    template, begin, end = _template(rows.shape[1])
    framed = np.empty((len(rows), len(template)), np.uint8)
    framed[:, :begin] = template[:begin]
    framed[:, begin:end] = rows.view(np.uint8)
    framed[:, end:] = template[end:]
    return framed


def plain_rows(stream: io.FileIO, n_features: int) -> Iterator[FloatArray]:
    """Read rows, block by block, up to a block in which a frame is not what `frames` would write.

    The stream, a file, is left where that block begins; at its end, if there is none. Rows so long that a block holds
    one of them are all left: another reader does them as well, and takes no memory for what a few bytes only claim.

    Yields
    ------
    ndarray of shape (n, n_features), float32
        Finite numbers only.
    """
    if rows_in_a_block(n_features) == 1:
        return
    template, begin, end = _template(n_features)
    framed = np.empty((rows_in_a_block(n_features), len(template)), np.uint8)
    while True:
        position = stream.tell()
        n, rest = divmod(_fill(stream, framed), len(template))
        block = framed[:n, begin:end].copy().view(np.float32)
        alike = all((framed[:n, part] == template[part]).all() for part in (slice(begin), slice(end, None)))
        if rest or not alike or not np.isfinite(block).all():
            stream.seek(position)
            return
        if n:
            yield block
        if n < len(framed):
            return


@functools.lru_cache(maxsize=1)
def _template(n_features: int) -> tuple[NDArray[np.uint8], int, int]:
    """Give a frame of a row of zeros, and where in it the row begins and ends."""
    zeros = dense_record(np.zeros(n_features, np.float32)).SerializeToString()
    end = HEADER_BYTES + len(zeros)
    return np.frombuffer(frame(zeros), np.uint8), end - 4 * n_features, end


def _fill(stream: io.FileIO, out: NDArray[np.uint8]) -> int:
    """Read as much as there is room for, or as there is; give the bytes."""
    bytes_ = out.reshape(-1).data
    read = 0
    while read < len(bytes_) and (more := stream.readinto(bytes_[read:])):
        read += more
    return read
