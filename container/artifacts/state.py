"""The state of the stream as a NumPy archive, of which a model of any smaller k can be made."""

import io
import math
import re
import struct
import zipfile
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kmeans.reservoir import Sample
from kmeans.state import State

# What the archive holds, and how many dimensions each array has.
_ARRAYS: Final = {
    "centers": ("<f8", 2),
    "weights": ("<f8", 1),
    "shift": ("<f4", 1),
    "sample": ("<f4", 2),
    "sample_labels": ("<i8", 1),
    "sample_weights": ("<f8", 1),
    "sample_is_complete": ("|b1", 1),
}

_NPY_MAGIC = b"\x93NUMPY\x01\x00"
# Only the form that NumPy writes for such arrays is read: its own reader of headers evaluates them as Python literals,
# with all that can go wrong in that. The two bytes after the magic are the header's length.
_HEADER = re.compile(
    re.escape(_NPY_MAGIC)
    + rb"..\{'descr': '(?P<dtype>[<|][fib][148])', 'fortran_order': False, "
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


def dumps(state: State) -> bytes:
    """Encode a state as an uncompressed ``.npz``; equal states give equal bytes.

    Its `centers`, unlike those in memory, are in the units of the rows: `shift` is added.
    """
    archive = io.BytesIO()
    np.savez(
        archive,
        allow_pickle=False,
        centers=state.centers + state.shift,
        weights=state.weights,
        shift=state.shift,
        sample=np.ascontiguousarray(state.sample.rows),
        sample_labels=state.sample.labels,
        sample_weights=state.sample.weights,
        sample_is_complete=np.array([state.sample.complete]),
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
            arrays = {name: _member(archive, name, len(data)) for name in _ARRAYS}
    except StateError:
        raise
    except _ARCHIVE_ERRORS as cause:
        names = ", ".join(_ARRAYS)
        raise StateError(f"expected an archive of {names}, got one that cannot be read: {cause}") from cause
    _check(arrays)
    return State(
        arrays["centers"] - arrays["shift"],
        arrays["weights"],
        arrays["shift"],
        Sample(
            arrays["sample"], arrays["sample_labels"], arrays["sample_weights"], bool(arrays["sample_is_complete"][0])
        ),
    )


def _check(arrays: dict[str, NDArray[Any]]) -> None:
    """See that the arrays fit together."""
    n_centers, n_features = arrays["centers"].shape
    n_rows = len(arrays["sample"])
    if not n_centers:
        raise StateError("expected a center at least, got none")
    expected = {
        "weights": (n_centers,),
        "shift": (n_features,),
        "sample": (n_rows, n_features),
        "sample_labels": (n_rows,),
        "sample_weights": (n_rows,),
        "sample_is_complete": (1,),
    }
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise StateError(f"expected {name} of shape {shape} beside these centers, got {arrays[name].shape}")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise StateError(f"expected finite {name}, got NaN or infinity")
    for name in ("weights", "sample_weights"):
        if (arrays[name] < 0).any():
            raise StateError(f"expected {name} of 0 or more, got {arrays[name].min()}")
    labels = arrays["sample_labels"]
    outside = (labels < 0) | (labels >= n_centers)
    if outside.any():
        raise StateError(f"expected sample_labels from 0 to {n_centers - 1}, got {labels[outside][0]}")


def _member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> NDArray[Any]:
    """Read one array."""
    dtype, n_dimensions = _ARRAYS[name]
    info = archive.getinfo(f"{name}.npy")
    # Ours are stored without compression, so none is larger than the archive.
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > max_bytes:
        raise StateError(f"expected {name} without compression and whole, got {info.file_size} bytes")
    content = archive.read(info)
    header = _HEADER.match(content)
    shape = tuple(int(size) for size in header["shape"].split(b",") if size) if header else ()
    if header is None or header["dtype"].decode() != dtype or len(shape) != n_dimensions:
        raise StateError(
            f"expected {name} of {n_dimensions} dimensions and the type {dtype}, got {_header_line(content)!r}"
        )
    values = memoryview(content)[header.end() :]
    if math.prod(shape) * np.dtype(dtype).itemsize != len(values):
        raise StateError(f"expected the numbers of shape {shape} in {name}, got {len(values)} bytes")
    return np.frombuffer(values, dtype=dtype).reshape(shape).copy()


def _header_line(content: bytes) -> str:
    """Give what stands where the description of an array should."""
    return content[len(_NPY_MAGIC) + 2 :][:80].partition(b"\n")[0].decode(errors="replace").strip()
