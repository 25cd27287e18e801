"""What a codec is, and what passes through it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.formats.recordio.spans import Spans

# Numbers, float32 or whole, of n rows: shape (n,), or (n, m) for an output of m numbers a row.
Columns = dict[str, NDArray[Any]]

# Requests are read in blocks of about this many bytes, which make blocks of at most this many numbers. Every request in
# progress holds a few such blocks; with blocks of half the size, requests take a tenth more time.
BLOCK_BYTES: Final = 1 << 19
BLOCK_VALUES: Final = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """Rows of a request.

    Attributes
    ----------
    rows : ndarray of float32 or float64, shape (n, d)
        Numbers that are finite in float32, or NaN where one may be missing.
    identities : Spans of n, or None
        What a record says of itself, to be echoed: a Record message of uid and metadata. None if no record has any.
    """

    rows: NDArray[np.float32] | NDArray[np.float64]
    identities: Spans | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The answers to them.

    Attributes
    ----------
    columns : Mapping of str to ndarray
        The outputs by name, in the order of the answer.
    identities : Spans of n, or None
        Those of the request.
    """

    columns: Mapping[str, NDArray[Any]]
    identities: Spans | None = None


class Codec(Protocol):
    """A content type: how requests of it are read and answers in it are written, block by block."""

    MEDIA_TYPE: str

    def decode(
        self, body: Iterable[bytes], feature_dim: int, dtype: DTypeLike = np.float32, *, gaps: bool = False
    ) -> Iterator[Instances]:
        """Yield the rows of a request's body.

        Parameters
        ----------
        body : iterable of bytes
            Its parts, cut anywhere.
        feature_dim : int
            The numbers a row must have.
        dtype : type
            That of the rows, float32 or, for a model whose centers float32 can't hold apart, float64.
        gaps : bool
            Whether numbers may be missing; NaN stands for them then.

        Yields
        ------
        Instances
            One or more; a row for each record in all.

        Raises
        ------
        FormatError
            If it does not hold records of `feature_dim` numbers that are finite in float32.
        """

    def encode(self, blocks: Iterable[Predictions]) -> Iterator[bytes]:
        """Yield the body of an answer, in parts."""


def rows_in_block(feature_dim: int) -> int:
    """Return the number of rows that a block has at most."""
    return max(1, BLOCK_VALUES // feature_dim)
