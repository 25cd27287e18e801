"""What every reader of a content type does: it is an iterator of rows that knows its position."""

import io
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from container.channels.form import ReaderResources, RecordForm
from container.channels.window import Window
from container.formats.errors import FormatError
from kmeans.packed_rows import PackedRows
from kmeans.types import DoubleArray, FloatArray

# In float64 rows keep the digits that float32 has no room for; the same ones are refused, those beyond its range.
RowArray = FloatArray | DoubleArray


class WrongGuessError(Exception):
    """A file does not hold what its size and its beginning suggested."""


class Reader(ABC):
    """Rows of one file or stream, one after the other.

    Parameters
    ----------
    width : int
        The numbers a row must have; the last one is its weight, if rows have weights.

    Attributes
    ----------
    records : int
        The records read or skipped so far.
    lines_before : int
        The number of lines before the first record, which count in errors.
    noun : str
        What errors call a record; empty for "record".
    weight_column : int or None
        The column of the weights in the file, from 0; None if there are none, or no columns.
    feature_names : tuple of str
        The names of the features, if the file has names; empty if not.
    feature_columns : tuple of str
        The names of the columns that the features are in, one for each feature or for a list of them.
    left_out : str
        Columns that are not read although nobody said so, in words; empty if there are none.
    gap_rows : int
        The number of rows with a gap that were read so far, if they are counted.
    """

    feature_names: tuple[str, ...] = ()
    feature_columns: tuple[str, ...] = ()
    left_out: str = ""
    gap_rows: int = 0
    lines_before: int = 0
    noun: str = ""
    weight_column: int | None = None
    # The size of rows that are worth reading together, so that several threads have work; 0 where it does not matter.
    bytes_together: ClassVar[int] = 0

    def __init__(self, width: int) -> None:
        self.width = width
        self.records = 0

    @classmethod
    @abstractmethod
    def open(cls, stream: io.RawIOBase | io.BytesIO, form: RecordForm, resources: ReaderResources) -> Self:
        """Return a reader of a file or stream, which is at its beginning.

        Raises
        ------
        FormatError
            If the file does not begin, or end, as it should.
        """

    @classmethod
    def has_names(cls, form: RecordForm) -> bool:
        """Return whether files of that form have the names of features."""
        del form
        return False

    @classmethod
    def whole_records(cls, beginning: bytes) -> bytes:
        """Return the beginning of a stream without a last record that is cut off, unless `read` refuses that."""
        return beginning

    @property
    @abstractmethod
    def bytes_read(self) -> int:
        """The bytes of the file that have been read so far."""

    @abstractmethod
    def read(self, out: RowArray) -> int:
        """Decode records into rows.

        Parameters
        ----------
        out : ndarray of float32 or float64, shape (n, width)
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
        """Skip up to `count` records without decoding them; return how many there were.

        Raises
        ------
        FormatError
            With record number, if records can't be separated.
        """

    def number_of(self, record: int) -> int:
        """Return the number in the file, from 1, of a record of the latest `read`, from its number among those read."""
        return record

    def ids(self) -> Iterator[Any]:
        """Yield the ids of all records, from the beginning of the stream: a pyarrow.Array of texts for some at a time.

        A reader that yields ids can't read or skip.
        """
        raise NotImplementedError

    def packed(self, multiple: int) -> PackedRows | None:
        """Return the rest of a file, to be read elsewhere, if it begins with records that are alike; else None.

        Parameters
        ----------
        multiple : int
            The caller has use for this number of rows, or a multiple of it.

        Returns
        -------
        PackedRows or None
            None if the caller is to read the records with `read`.
        """
        del multiple
        return None

    def passed(self, packed: PackedRows) -> None:
        """Resume behind the rows that were taken from what `packed` returned."""
        raise NotImplementedError

    def count(self, *, guess: bool) -> int:
        """Return the number of records of the stream, counted from its beginning.

        Parameters
        ----------
        guess : bool
            Whether to conclude it from a file's size, if possible, instead of reading the file; `pick` then notices if
            it was wrong.

        Returns
        -------
        int

        Raises
        ------
        FormatError
            With record number, if records can't be separated.
        """
        del guess
        return self.skip(sys.maxsize)

    def pick(self, numbers: NDArray[np.int64], out: RowArray, *, guess: bool) -> None:
        """Decode some records, from the beginning of the stream.

        Parameters
        ----------
        numbers : ndarray of int64, shape (n,)
            Ascending, counted from 0.
        out : ndarray of float32 or float64, shape (n, width)
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


class ByteReader(Reader):
    """A reader of bytes that come one after the other, through a window that slides along them.

    Parameters
    ----------
    stream : RawIOBase or BytesIO
        At its beginning.
    form : RecordForm
        What its records must hold.
    resources : ReaderResources or None
        What it may use.
    """

    # Small enough to stay in the processor's cache until its bytes are decoded.
    window_bytes: ClassVar[int] = 1 << 20

    def __init__(
        self,
        stream: io.RawIOBase | io.BytesIO,
        form: RecordForm,
        resources: ReaderResources | None = None,
    ) -> None:
        super().__init__(form.width)
        resources = resources or ReaderResources()
        self.stream = stream
        self.form = form
        self.team = resources.team
        self.window = self._new_window(resources.window_bytes or self.window_bytes)

    @classmethod
    def open(cls, stream: io.RawIOBase | io.BytesIO, form: RecordForm, resources: ReaderResources) -> Self:
        """See `Reader.open`."""
        return cls(stream, form, resources)

    def _new_window(self, size: int) -> Window:
        return Window(self.stream, size)

    @property
    def bytes_read(self) -> int:
        """See `Reader.bytes_read`."""
        return self.window.bytes_read
