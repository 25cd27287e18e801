"""The state of the stream as a NumPy archive: weighted centers, of which a model of any smaller k can be made."""

import io
import math
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NPY_MAGIC = b"\x93NUMPY\x01\x00"
# Only the form that NumPy writes for such arrays is read: its own reader of headers evaluates them as Python literals,
# with all that can go wrong in that. The two bytes after the magic are the header's length.
_HEADER = re.compile(
    re.escape(_NPY_MAGIC)
    + rb"..\{'descr': '(?P<dtype><f[48])', 'fortran_order': False, "
    + rb"'shape': \((?P<shape>[0-9]{1,19},(?: ?[0-9]{1,19})?)\), \} *\n",
    re.DOTALL,
)
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
    header = _HEADER.match(content)
    if header is None:
        raise StateError(f"expected float32 or float64 rows in {name}, got {_header_line(content)!r}")
    shape = tuple(int(size) for size in header["shape"].split(b",") if size)
    values = memoryview(content)[header.end() :]
    dtype = np.dtype(header["dtype"].decode())
    if math.prod(shape) * dtype.itemsize != len(values) or not values:
        raise StateError(f"expected the numbers of shape {shape} in {name}, got {len(values)} bytes")
    return np.frombuffer(values, dtype=dtype).reshape(shape).copy()


def _header_line(content: bytes) -> str:
    """Give what stands where the description of an array should."""
    return content[len(_NPY_MAGIC) + 2 :][:80].partition(b"\n")[0].decode(errors="replace").strip()
