"""The state of the stream as a NumPy archive: weighted centers, of which a model of any smaller k can be made."""

import io
import math
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_MAX_HEADER_BYTES = 10_000
# What zipfile raises for damaged archives: its own error, and whatever a wrong number in one leads to.
_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    LookupError,
    ValueError,
    EOFError,
    OSError,
    RuntimeError,
)


class StateError(ValueError):
    """The bytes are no state; the text says what was expected and what came."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Weighted centers.

    Parameters
    ----------
    centers : ndarray of float32 or float64, shape (K, d)
        Finite.
    weights : ndarray of float64, shape (K,)
        Finite and not negative.
    """

    centers: NDArray[np.floating[Any]]
    weights: NDArray[np.float64]


def dumps(state: State) -> bytes:
    """Encode a state as an uncompressed ``.npz`` of `centers` and `weights`; equal states give equal bytes."""
    archive = io.BytesIO()
    np.savez(
        archive,
        allow_pickle=False,
        centers=np.ascontiguousarray(state.centers),
        weights=np.ascontiguousarray(state.weights),
    )
    return archive.getvalue()


def loads(data: bytes | bytearray) -> State:
    """Decode a state.

    Parameters
    ----------
    data : bytes or bytearray
        The whole archive. Sizes in it are checked against the bytes really there before anything is allocated, and
        nothing in it is unpickled.

    Returns
    -------
    State
        Checked.

    Raises
    ------
    StateError
        If the bytes are no such archive, or the arrays do not fit together.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            centers = _member(archive, "centers.npy", len(data))
            weights = _member(archive, "weights.npy", len(data))
    except StateError:
        raise
    except _ARCHIVE_ERRORS as cause:
        raise StateError(f"expected an archive of centers and weights, got one that cannot be read: {cause}") from cause
    if weights.dtype != np.float64:
        raise StateError(f"expected float64 weights, got {weights.dtype}")
    if centers.ndim != 2 or weights.shape != centers.shape[:1]:
        raise StateError(f"expected a matrix of centers and a weight for each, got {centers.shape} and {weights.shape}")
    if not (np.isfinite(centers).all() and np.isfinite(weights).all() and (weights >= 0).all()):
        raise StateError("expected finite centers and weights of 0 or more, got others")
    return State(centers, weights)


def _member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> NDArray[Any]:
    """Read one array."""
    info = archive.getinfo(name)
    # Ours are stored without compression, so none is larger than the archive.
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > max_bytes:
        raise StateError(f"expected {name} without compression and whole, got {info.file_size} bytes")
    content = archive.read(info)
    header = io.BytesIO(content)
    try:
        if npy.read_magic(header) != (1, 0):
            raise StateError(f"expected {name} in version 1.0 of the format, got another")
        shape, fortran_order, dtype = npy.read_array_header_1_0(header, max_header_size=_MAX_HEADER_BYTES)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as cause:
        raise StateError(f"expected an array in {name}, got a header that cannot be read: {cause}") from cause
    values = memoryview(content)[header.tell() :]
    if dtype not in (np.float32, np.float64) or fortran_order or any(size < 1 for size in shape):
        raise StateError(f"expected float32 or float64 rows in {name}, got {dtype} of shape {shape}")
    if math.prod(shape) * dtype.itemsize != len(values):
        raise StateError(f"expected the numbers of shape {shape} in {name}, got {len(values)} bytes")
    return np.frombuffer(values, dtype=dtype).reshape(shape).copy()
