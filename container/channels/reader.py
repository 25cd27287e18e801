"""What every reader of a content type does: turn a stream of bytes into rows."""

import io
import sys
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from container.channels.team import Team
from container.channels.window import Window
from container.formats.errors import FormatError
from kmeans.packed_rows import PackedRows
from kmeans.types import DoubleArray, FloatArray

# In float64 rows keep the digits that float32 has no room for; the same ones are refused, those beyond its range.
RowArray = FloatArray | DoubleArray


class WrongGuessError(Exception):
    """A file is not what its size and its beginning made of it."""


class Reader(ABC):
    """Rows out of one stream.

    Parameters
    ----------
    stream : RawIOBase or BytesIO
        At its beginning.
    feature_dim : int
        The numbers a row must have.
    label_size : int or None
        Leading columns that are labels; None when the content type does not say.
    window_bytes : int or None
        Bytes that are asked of the stream at once; None for the class's own.
    team : Team or None
        Threads that may decode beside the one that reads; None for no others.

    Attributes
    ----------
    records : int
        The records read or passed over so far.
    """

    # Of rows that are worth reading together, so that several threads have something to do; 0 where it does not matter.
    bytes_together: ClassVar[int] = 0
    # Small enough to stay in the processor's cache until its bytes are decoded.
    window_bytes: ClassVar[int] = 1 << 20

    def __init__(
        self,
        stream: io.RawIOBase | io.BytesIO,
        feature_dim: int,
        label_size: int | None,
        window_bytes: int | None = None,
        team: Team | None = None,
    ) -> None:
        self.stream = stream
        self.window = Window(stream, window_bytes or self.window_bytes)
        self.feature_dim = feature_dim
        self.label_size = label_size
        self.team = team
        self.records = 0

    @classmethod
    def whole_records(cls, beginning: bytes) -> bytes:
        """Return the beginning of a stream without a last record that is cut off, unless `read` refuses that."""
        return beginning

    @abstractmethod
    def read(self, out: RowArray) -> int:
        """Decode records into rows.

        Parameters
        ----------
        out : ndarray of shape (n, feature_dim), float32 or float64
            C-contiguous; written from its first row on.

        Returns
        -------
        int
            The rows written: n unless the stream has ended.

        Raises
        ------
        FormatError
            With record number, and with the column where it is known.
        """

    @abstractmethod
    def skip(self, count: int) -> int:
        """Pass over up to `count` records without decoding them, and give how many there were.

        Raises
        ------
        FormatError
            With record number, if records can't be told apart.
        """

    def packed(self, multiple: int) -> PackedRows | None:
        """Return what the rest of a file looks like, if it holds records alike from here on; to be read elsewhere.

        Parameters
        ----------
        multiple : int
            So many rows, or a multiple of that, are of use.
        """
        del multiple
        return None

    def passed(self, packed: PackedRows) -> None:
        """Go on behind the rows that were taken from what `packed` returned."""
        raise NotImplementedError

    def count(self, *, guess: bool) -> int:
        """Count the records of the stream, from its beginning.

        Parameters
        ----------
        guess : bool
            Whether a file's size may tell, instead of all of its bytes; `pick` then finds out when it does not.

        Raises
        ------
        FormatError
            With record number, if records can't be told apart.
        """
        del guess
        return self.skip(sys.maxsize)

    def pick(self, numbers: NDArray[np.int64], out: RowArray, *, guess: bool) -> None:
        """Decode some records, from the beginning of the stream.

        Parameters
        ----------
        numbers : ndarray of shape (n,), int64
            Ascending, counted from 0.
        out : ndarray of shape (n, feature_dim), float32 or float64
            C-contiguous; written.
        guess : bool
            As it was for `count`.

        Raises
        ------
        FormatError
            With record number, and with the column where it is known.
        WrongGuessError
            If the count was a wrong guess.
        """
        del guess
        for i, number in enumerate(numbers.tolist()):
            self.skip(number - self.records)
            if not self.read(out[i : i + 1]):
                raise FormatError("expected as many records as were counted, got the end", record=number + 1)
