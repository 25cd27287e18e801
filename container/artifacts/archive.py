"""Arrays by name in an uncompressed ``.npz``: NumPy's format, read without its unpickling and evaluating."""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

# The type and the number of dimensions of each array.
Layout = Mapping[str, tuple[str, int]]

_NPY_MAGIC = b"\x93NUMPY\x01\x00"
# Only the form that NumPy writes for such arrays is read: its own reader of headers evaluates them as Python literals,
# with all that can go wrong in that. The two bytes after the magic are the header's length.
_HEADER = re.compile(
    re.escape(_NPY_MAGIC)
    + rb"..\{'descr': '(?P<dtype>[<|][fiub][148])', 'fortran_order': False, "
    + rb"'shape': \((?P<shape>[0-9]{1,19},(?: ?[0-9]{1,19})?)\), \} *\n",
    re.DOTALL,
)
# What zipfile raises for damaged archives: its own error, and whatever a wrong number in one leads to.
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
    """The bytes are no such archive; the text says what was expected and what came."""


def dump(file: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays; equal ones give equal bytes.

    Parameters
    ----------
    file : file-like
        Binary; it need not be seekable.
    arrays : Mapping of str to ndarray
        By name.

    Raises
    ------
    ValueError
        If a number is not finite; nothing is written then.
    """
    for name, array in arrays.items():
        if not is_finite(array):
            raise ValueError(f"expected finite {name}, got NaN or infinity")
    np.savez(file, allow_pickle=False, **arrays)


def is_finite(array: NDArray[Any]) -> bool:
    """Return whether there is neither NaN nor infinity in an array; without a copy of it."""
    # The least and the largest of numbers are NaN if one of them is.
    return not array.size or bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def load(file: IO[bytes], size: int, layout: Layout, optional: Collection[str] = ()) -> dict[str, NDArray[Any]]:
    """Read arrays.

    Parameters
    ----------
    file : binary file
        Seekable. Sizes in it are checked against the bytes really there before anything is allocated.
    size : int
        Bytes of the archive.
    layout : Layout
        What it holds.
    optional : collection of str
        Names in the layout of arrays that may be missing.

    Returns
    -------
    dict of str to ndarray
        By name; all numbers are finite.

    Raises
    ------
    ArchiveError
        If it is no such archive.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            missing = {name for name in optional if f"{name}.npy" not in archive.NameToInfo}
            return {name: _member(archive, name, *kind, size) for name, kind in layout.items() if name not in missing}
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
    # Ours are stored without compression, so none is larger than the archive.
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
    # A copy can be written to, as kernels expect of what they are given.
    array = np.frombuffer(values, dtype=dtype).reshape(shape).copy()
    if not is_finite(array):
        raise ArchiveError(f"expected finite {name}, got NaN or infinity")
    return array


def _header_line(content: bytes) -> str:
    """Give what stands where the description of an array should."""
    return content[len(_NPY_MAGIC) + 2 :][:80].partition(b"\n")[0].decode(errors="replace").strip()
