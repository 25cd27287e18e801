"""What a codec is, and what passes through it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Identity(NamedTuple):
    """What a record says of itself, to be echoed; None where it says nothing."""

    uid: str | None
    metadata: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """The content of a request.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
        Finite numbers.
    identities : sequence of Identity, length n, or None
        None when no record has any.
    """

    rows: NDArray[np.float32]
    identities: Sequence[Identity] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The content of an answer.

    Parameters
    ----------
    labels : ndarray of shape (n,), int64
        Index of the closest cluster.
    distances : ndarray of shape (n,), float32
        Euclidean distance to it, finite.
    identities : sequence of Identity, length n, or None
        Those of the request.
    """

    labels: NDArray[np.int64]
    distances: NDArray[np.float32]
    identities: Sequence[Identity] | None = None

    def columns(self) -> tuple[list[str], list[str]]:
        """Give both columns as text: whole labels with a decimal point, distances widened to float64."""
        return [f"{label}.0" for label in self.labels.tolist()], list(map(repr, self.distances.tolist()))


class Codec(Protocol):
    """A content type: how requests of it are read and answers in it are written."""

    MEDIA_TYPE: str

    def decode(self, body: bytes, feature_dim: int) -> Instances:
        """Read the body of a request.

        Raises
        ------
        FormatError
            If it does not hold records of `feature_dim` finite numbers.
        """

    def encode(self, predictions: Predictions) -> bytes:
        """Write the body of an answer."""
