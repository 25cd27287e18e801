"""Named arrays in an uncompressed ``.npz``: NumPy's format, read without unpickling or evaluating anything."""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

# The dtype and the number of dimensions of each array.
Layout = Mapping[str, tuple[str, int]]

_NPY_MAGIC = b"\x93NUMPY\x01\x00"
# Only the form that NumPy writes for such arrays is accepted: NumPy itself evaluates headers as Python literals, which
# is not safe. The two bytes after the magic are the length of the header.
_HEADER = re.compile(
    re.escape(_NPY_MAGIC)
    + rb"..\{'descr': '(?P<dtype>[<|][fiub][148])', 'fortran_order': False, "
    + rb"'shape': \((?P<shape>[0-9]{1,19},(?: ?[0-9]{1,19})?)\), \} *\n",
    re.DOTALL,
)
# What zipfile raises for damaged archives: its own error, and whatever a wrong number leads to.
ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    LookupError,
    ValueError,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
)


class ArchiveError(ValueError):
    """The bytes are no such archive; the text says what was expected and what was found."""


def dump(file: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays; equal ones give equal bytes.

    Parameters
    ----------
    file : binary file
        The file to write to; it need not be seekable.
    arrays : Mapping of str to ndarray
        The arrays, by name.

    Raises
    ------
    ValueError
        If a number is not finite; then nothing is written.
    """
    for name, array in arrays.items():
        if not is_finite(array):
            raise ValueError(f"expected finite {name}, got NaN or infinity")
    np.savez(file, allow_pickle=False, **arrays)


def is_finite(array: NDArray[Any]) -> bool:
    """Return whether all numbers of an array are finite, without copying it."""
    # The minimum and the maximum are NaN if any number is.
    return not array.size or bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def load(file: IO[bytes], size: int, layout: Layout, optional: Layout | None = None) -> dict[str, NDArray[Any]]:
    """Read arrays.

    Parameters
    ----------
    file : binary file
        The archive; it must be seekable. Sizes in it are checked against the actual size before anything is allocated.
    size : int
        The size of the archive in bytes.
    layout : Layout
        The arrays that it must have.
    optional : Layout
        The arrays that it may have.

    Returns
    -------
    dict of str to ndarray
        The arrays, by name; all numbers are finite.

    Raises
    ------
    ArchiveError
        If the file is no such archive.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            held = {name: kind for name, kind in (optional or {}).items() if f"{name}.npy" in archive.NameToInfo}
            return {name: _member(archive, name, *kind, size) for name, kind in {**layout, **held}.items()}
    except ArchiveError:
        raise
    except ERRORS as cause:
        names = ", ".join(layout)
        raise ArchiveError(
            f"expected an archive of {names}, got one that cannot be read: {str(cause)[:200]}"
        ) from cause


def _member(archive: zipfile.ZipFile, name: str, dtype: str, n_dimensions: int, max_bytes: int) -> NDArray[Any]:
    """Read one array."""
    info = archive.getinfo(f"{name}.npy")
    # Members are not compressed, so none is larger than the archive.
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > max_bytes:
        raise ArchiveError(f"expected {name} without compression and whole, got {info.file_size} bytes")
    content = archive.read(info)
    header = _HEADER.match(content)
    shape = tuple(int(size) for size in header["shape"].split(b",") if size) if header else ()
    if header is None or header["dtype"].decode() != dtype or len(shape) != n_dimensions:
        raise ArchiveError(
            f"expected {name} of {n_dimensions} dimensions and the type {dtype}, got {_header_line(content)!r}"
        )
    values = memoryview(content)[header.end() :]
    if math.prod(shape) * np.dtype(dtype).itemsize != len(values):
        raise ArchiveError(f"expected the numbers of shape {shape} in {name}, got {len(values)} bytes")
    # NumPy's booleans must be 0 or 1.
    if dtype == "|b1" and np.frombuffer(values, np.uint8).max(initial=0) > 1:
        raise ArchiveError(f"expected booleans in {name}, got other bytes")
    # A copy is writable, as kernels require.
    array = np.frombuffer(values, dtype=dtype).reshape(shape).copy()
    if not is_finite(array):
        raise ArchiveError(f"expected finite {name}, got NaN or infinity")
    return array


def _header_line(content: bytes) -> str:
    """Return the start of the text in place of an array's header."""
    return content[len(_NPY_MAGIC) + 2 :][:80].partition(b"\n")[0].decode(errors="replace").strip()
