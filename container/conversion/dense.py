"""Rows to framed dense records, the bytes that `container.formats.recordio` would write."""

import numpy as np
from numpy.typing import NDArray

from container.formats.recordio import HEADER_BYTES, dense_record, frame
from kmeans.types import FloatArray


def frames(rows: FloatArray) -> NDArray[np.uint8]:
    """Frame rows as dense records: all alike but for their numbers, which are copied into place.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
        C-contiguous.

    Returns
    -------
    ndarray of shape (n, bytes of a frame), uint8
    """
    n, n_features = rows.shape
    zeros = dense_record(np.zeros(n_features, np.float32)).SerializeToString()
    template = np.frombuffer(frame(zeros), np.uint8)
    begin = HEADER_BYTES + len(zeros) - 4 * n_features
    framed = np.empty((n, len(template)), np.uint8)
    framed[:, :begin] = template[:begin]
    framed[:, begin : begin + 4 * n_features] = rows.view(np.uint8)
    framed[:, begin + 4 * n_features :] = 0
    return framed
